//! Model URIs: what a person may ask for.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::error::Error;
use crate::location::{Location, Proxy};
use crate::server::Server;

const FORMS: &str = "the forms are runs:/RUN_ID/PATH, a run id, models:/NAME/VERSION, \
    models:/NAME@ALIAS, models:/NAME/STAGE, models:/NAME/latest, models:/m-ID, \
    mlflow-artifacts:/PATH, gs://BUCKET/PATH, file:/PATH and a directory";

/// A model, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelUri {
    /// `runs:/ID/path`; without a path, the run's only model.
    Run { run_id: String, path: Option<String> },
    /// `models:/name/…` in the registry, and a path below it.
    Registered { name: String, selector: Selector, path: Option<String> },
    /// `models:/m-…`: MLflow 3's logged model, and a path below it.
    Logged { model_id: String, path: Option<String> },
    /// Where the files are, no question left.
    Location(Location),
}

/// Which version of a registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    Version(u64),
    Alias(String),
    Stage(String),
    Latest,
}

impl ModelUri {
    /// Whether MLflow must be asked where the model is.
    pub fn needs_server(&self) -> bool {
        match self {
            Self::Run { .. } | Self::Registered { .. } | Self::Logged { .. } => true,
            Self::Location(location) => {
                matches!(
                    location,
                    Location::Proxied { proxy: Proxy::Tracking | Proxy::Host(_), .. }
                )
            }
        }
    }

    /// The server that the URI itself names.
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::Location(Location::Proxied { proxy: Proxy::Server(server), .. }) => Some(server),
            _ => None,
        }
    }

    fn run(rest: &str, uri: &str) -> Result<Self, Error> {
        let rest = after_slash("runs:", rest, uri)?;
        let (run_id, path) = rest.split_once('/').unwrap_or((rest, ""));
        if run_id.is_empty()
            || !run_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err(Error::usage(
                format!("'{uri}' has no usable run id"),
                "write runs:/RUN_ID/PATH, where PATH is what the model was logged as",
            ));
        }
        Ok(Self::Run { run_id: run_id.into(), path: sub_path(path, uri)? })
    }

    fn models(rest: &str, uri: &str) -> Result<Self, Error> {
        let rest = after_slash("models:", rest, uri)?;
        let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
        if is_model_id(first) {
            return Ok(Self::Logged { model_id: first.into(), path: sub_path(after, uri)? });
        }
        if let Some((name, alias)) = first.rsplit_once('@') {
            let selector = Selector::Alias(non_empty(alias, "alias", uri)?);
            let name = non_empty(name, "model name", uri)?;
            return Ok(Self::Registered { name, selector, path: sub_path(after, uri)? });
        }
        let name = non_empty(first, "model name", uri)?;
        let (wanted, path) = after.split_once('/').unwrap_or((after, ""));
        let selector = match wanted {
            "" => {
                return Err(Error::usage(
                    format!("'{uri}' does not say which version of '{name}'"),
                    format!(
                        "write models:/{name}/VERSION, models:/{name}@ALIAS or models:/{name}/latest"
                    ),
                ));
            }
            _ if wanted.bytes().all(|byte| byte.is_ascii_digit()) => {
                Selector::Version(wanted.parse().map_err(|_| {
                    Error::usage(format!("'{wanted}' in '{uri}' is no version number"), FORMS)
                })?)
            }
            _ if wanted.eq_ignore_ascii_case("latest") => Selector::Latest,
            _ => Selector::Stage(wanted.into()),
        };
        Ok(Self::Registered { name, selector, path: sub_path(path, uri)? })
    }
}

impl FromStr for ModelUri {
    type Err = Error;

    fn from_str(uri: &str) -> Result<Self, Error> {
        if uri.trim().is_empty() || uri.contains('\0') {
            return Err(Error::usage("the model URI is empty or holds a NUL", FORMS));
        }
        if let Some(rest) = uri.strip_prefix("runs:") {
            return Self::run(rest, uri);
        }
        if let Some(rest) = uri.strip_prefix("models:") {
            return Self::models(rest, uri);
        }
        // A directory of such a name is reached as ./NAME.
        if is_run_id(uri) {
            return Ok(Self::Run { run_id: uri.into(), path: None });
        }
        if is_model_id(uri) {
            return Ok(Self::Logged { model_id: uri.into(), path: None });
        }
        Ok(Self::Location(uri.parse()?))
    }
}

impl Display for ModelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = |path: &Option<String>| match path {
            Some(path) => format!("/{path}"),
            None => String::new(),
        };
        match self {
            Self::Run { run_id, path } => write!(f, "runs:/{run_id}{}", tail(path)),
            Self::Logged { model_id, path } => write!(f, "models:/{model_id}{}", tail(path)),
            Self::Location(location) => location.fmt(f),
            Self::Registered { name, selector, path } => {
                let path = tail(path);
                match selector {
                    Selector::Version(version) => write!(f, "models:/{name}/{version}{path}"),
                    Selector::Alias(alias) => write!(f, "models:/{name}@{alias}{path}"),
                    Selector::Stage(stage) => write!(f, "models:/{name}/{stage}{path}"),
                    Selector::Latest => write!(f, "models:/{name}/latest{path}"),
                }
            }
        }
    }
}

/// MLflow's own mark of a logged model.
pub(crate) fn is_model_id(text: &str) -> bool {
    text.strip_prefix("m-").is_some_and(is_run_id)
}

pub(crate) fn is_run_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// `runs:/x` and, as MLflow takes it, `runs:///x`; a host has no meaning here.
fn after_slash<'a>(scheme: &str, rest: &'a str, uri: &str) -> Result<&'a str, Error> {
    let rest = rest.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(rest);
    rest.strip_prefix('/')
        .filter(|rest| !rest.starts_with('/'))
        .ok_or_else(|| Error::usage(format!("'{uri}' needs one slash after '{scheme}'"), FORMS))
}

fn non_empty(text: &str, what: &str, uri: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Err(Error::usage(format!("'{uri}' has no {what}"), FORMS));
    }
    Ok(text.into())
}

/// A path below a root: no step out of it, no empty steps; nothing is `None`.
pub(crate) fn sub_path(path: &str, uri: &str) -> Result<Option<String>, Error> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(None);
    }
    if path.split('/').any(|step| matches!(step, "" | "." | "..")) {
        return Err(Error::usage(
            format!("'{uri}' has a path with an empty, '.' or '..' component"),
            "write the path as MLflow lists it",
        ));
    }
    Ok(Some(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn shown(uri: &str) -> String {
        let parsed: ModelUri = uri.parse().unwrap();
        let shown = parsed.to_string();
        assert_eq!(shown.parse::<ModelUri>().unwrap(), parsed, "what is shown can be given again");
        format!("{parsed:?}").split(['(', ' ']).next().unwrap().to_owned() + " " + &shown
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(shown(&format!("runs:/{ID}/model")), format!("Run runs:/{ID}/model"));
        assert_eq!(shown(&format!("runs:///{ID}/a/b c/")), format!("Run runs:/{ID}/a/b c"));
        assert_eq!(shown(ID), format!("Run runs:/{ID}"));
        assert_eq!(shown(&format!("models:/m-{ID}")), format!("Logged models:/m-{ID}"));
        assert_eq!(shown(&format!("m-{ID}")), format!("Logged models:/m-{ID}"));
        assert_eq!(
            shown(&format!("models:/m-{ID}/MLmodel")),
            format!("Logged models:/m-{ID}/MLmodel")
        );
        for uri in [
            "models:/iris/3",
            "models:/iris@champion",
            "models:/iris/Production",
            "models:/iris/latest",
            "models:/my model/3/sub/dir",
            "models:/a@b@alias/sub",
        ] {
            assert_eq!(shown(uri), format!("Registered {uri}"));
        }
        assert_eq!(shown("models:/iris/LATEST"), "Registered models:/iris/latest");
        assert_eq!(shown("mlflow-artifacts:/1/x"), "Location mlflow-artifacts:/1/x");
        assert_eq!(shown("gs://bucket/a/b"), "Location gs://bucket/a/b");
        assert_eq!(shown("./dir"), "Location ./dir");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_forms() {
        for uri in [
            "",
            " ",
            "a\0b",
            "runs:",
            "runs:/",
            "runs:ID",
            "runs://host/x",
            "runs:/a b/model",
            "runs:/x/../y",
            "runs:/x/a//b",
            "runs:/x/./b",
            "models:/",
            "models:/iris",
            "models:/iris/",
            "models:/@a",
            "models:/iris@",
            "models://iris/1",
            "models:/iris/1/../2",
            "models:/iris/99999999999999999999999",
        ] {
            let error = uri.parse::<ModelUri>().unwrap_err();
            assert!(deployment::Explain::hint(&error).is_some(), "{uri}: {error}");
        }
    }

    #[test]
    fn only_exact_ids_are_ids() {
        assert!(is_model_id(&format!("m-{ID}")));
        assert!(!is_model_id(&format!("m-{}", ID.to_uppercase())));
        assert!(!is_model_id(&format!("m-{ID}0")));
        assert!(!is_run_id("main"));
    }
}
