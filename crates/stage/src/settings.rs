//! Where a setting's value comes from: flag, document, environment, default, in
//! this order. The document comes before the environment because it says more
//! than a shell that happens to have `model_name` exported.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use deployment::names::{is_bucket, is_route};

use crate::failure::Failure;

/// A setting that several tools share.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The flag without its dashes; also how messages call it.
    pub name: &'static str,
    /// Where it stands in the document.
    pub field: &'static str,
    /// Environment variables, the first that is set and not empty wins.
    pub env: &'static [&'static str],
}

macro_rules! settings {
    ($($constant:ident: $name:literal, $field:literal, [$($env:literal),*];)*) => {
        $(pub const $constant: Setting =
            Setting { name: $name, field: $field, env: &[$($env),*] };)*
        /// All of them, for the documentation.
        pub const ALL: &[Setting] = &[$($constant),*];
    };
}

settings! {
    TARGET: "target", "spec.target", ["AIP_TARGET"];
    PROJECT: "project", "spec.project",
        ["project_id", "GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"];
    REGION: "region", "spec.region",
        ["GOOGLE_CLOUD_REGION", "CLOUDSDK_AI_REGION"];
    BUCKET: "bucket", "spec.bucket", ["production_bucket"];
    ROUTE: "route", "spec.route", ["production_route"];
    MODEL: "model", "spec.model", ["model_name"];
    VERSION: "version-name", "spec.version", ["version_name"];
    MODEL_URI: "model-uri", "spec.modelUri", ["model_uri", "run_id"];
    TRACKING_URI: "tracking-uri", "spec.trackingUri", ["tracking_uri", "MLFLOW_TRACKING_URI"];
    PREDICTION_SCRIPT: "prediction-script", "spec.predictionScript", ["prediction_script"];
    SETUP_FILE: "setup-file", "spec.setupFile", ["setup_file"];
    ENDPOINT_ID: "endpoint-id", "spec.vertex.endpointId", [];
    IMAGE_REPOSITORY: "image-repository", "spec.vertex.imageRepository", ["AIP_IMAGE_REPOSITORY"];
    BASE_IMAGE: "base-image", "spec.vertex.baseImage", ["AIP_BASE_IMAGE"];
    WORK_DIR: "work-dir", "spec.workDir", ["tmp_dir"];
}

/// Environment variable, or nothing where it is unset or empty.
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The directory below which models and bundles are kept: by default a cache,
/// for all of it can be made again.
pub fn work_dir(flag: Option<String>, field: &mut Option<String>) -> Result<PathBuf, Failure> {
    let default = cache_directory().map(|cache| cache.to_string_lossy().into_owned());
    let work_dir = WORK_DIR.resolve(flag, field, default)?;
    work_dir.map(PathBuf::from).ok_or_else(|| WORK_DIR.missing())
}

/// The user's cache directory, our part of it.
pub fn cache_directory() -> Option<PathBuf> {
    cache_in(env)
}

/// By XDG's rules a relative path is none.
fn cache_in(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = env("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = set.or_else(|| Some(PathBuf::from(env("HOME")?).join(".cache")));
    cache.map(|cache| cache.join("mlflow-aip"))
}

/// The bucket's name, whether it was given as one or as `gs://name`.
pub fn bucket(flag: Option<String>, field: &mut Option<String>) -> Result<Option<String>, Failure> {
    let Some(text) = BUCKET.resolve(flag, field, None)? else { return Ok(None) };
    let name = text.strip_prefix("gs://").unwrap_or(&text).trim_end_matches('/');
    if !is_bucket(name) {
        return Err(Failure::usage(format!("'{text}' is not the name of a bucket")).hint(
            "3 to 63 lower-case letters, digits, '-', '_' and '.'; a prefix goes to --route",
        ));
    }
    *field = Some(name.to_owned());
    Ok(field.clone())
}

/// The prefix in the bucket.
pub fn route(
    flag: Option<String>,
    field: &mut Option<String>,
    default: Option<String>,
) -> Result<Option<String>, Failure> {
    let Some(text) = ROUTE.resolve(flag, field, default)? else { return Ok(None) };
    if text.chars().all(|c| c == '/') {
        // The whole bucket is no route.
        return Err(ROUTE.missing());
    }
    if !is_route(&text) {
        let shown = text.escape_debug();
        return Err(Failure::usage(format!("'{shown}' is not a prefix for names of objects"))
            .hint(
                "no part may be '.' or '..', no character one of '#[]*?' or a control character",
            ));
    }
    Ok(Some(text))
}

impl Setting {
    /// The value, written back to the document's `field`.
    pub fn resolve<T>(
        &self,
        flag: Option<T>,
        field: &mut Option<T>,
        default: Option<T>,
    ) -> Result<Option<T>, Failure>
    where
        T: Clone + Display + FromStr<Err: Display>,
    {
        self.resolve_with(env, flag, field, default)
    }

    /// The same where nothing works without it.
    pub fn require<T>(&self, flag: Option<T>, field: &mut Option<T>) -> Result<T, Failure>
    where
        T: Clone + Display + FromStr<Err: Display>,
    {
        self.resolve(flag, field, None)?.ok_or_else(|| self.missing())
    }

    /// The same where it may also be given without its flag's name.
    pub fn require_of<T>(
        &self,
        argument: Option<T>,
        flag: Option<T>,
        field: &mut Option<T>,
    ) -> Result<T, Failure>
    where
        T: Clone + Display + FromStr<Err: Display>,
    {
        let Some(argument) = argument else { return self.require(flag, field) };
        log::debug!("{} = '{argument}' (from the argument)", self.name);
        *field = Some(argument.clone());
        Ok(argument)
    }

    pub fn missing(&self) -> Failure {
        Failure::usage(format!("no {} is set", self.name.replace('-', " "))).hint(format!(
            "give --{}, or set {} in the document or {} in the environment",
            self.name,
            self.field,
            self.env.join(" or ")
        ))
    }

    fn resolve_with<T>(
        &self,
        env: impl Fn(&str) -> Option<String>,
        flag: Option<T>,
        field: &mut Option<T>,
        default: Option<T>,
    ) -> Result<Option<T>, Failure>
    where
        T: Clone + Display + FromStr<Err: Display>,
    {
        let (value, from) = if let Some(value) = flag {
            (value, format!("--{}", self.name))
        } else if let Some(value) = field.take() {
            (value, self.field.to_owned())
        } else if let Some((name, text)) =
            self.env.iter().find_map(|name| env(name).map(|text| (name, text)))
        {
            let value = text.parse().map_err(|error| {
                Failure::usage(format!("environment variable '{name}' is unusable: {error}"))
            })?;
            (value, format!("environment variable {name}"))
        } else if let Some(value) = default {
            (value, "default".to_owned())
        } else {
            return Ok(None);
        };
        log::debug!("{} = '{value}' (from {from})", self.name);
        *field = Some(value.clone());
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flag: Option<&str>, field: Option<&str>, env: &[(&str, &str)]) -> Option<String> {
        let mut field = field.map(str::to_owned);
        let env = |name: &str| {
            let set = env.iter().find(|(key, _)| *key == name);
            set.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty())
        };
        let value = PROJECT
            .resolve_with(env, flag.map(str::to_owned), &mut field, Some("default".into()))
            .unwrap();
        assert_eq!(value, field, "what is resolved goes back into the document");
        value
    }

    #[test]
    fn flag_then_document_then_environment_then_default() {
        let env = [("GOOGLE_CLOUD_PROJECT", "ecosystem"), ("project_id", "article")];
        assert_eq!(resolve(Some("flag"), Some("document"), &env).unwrap(), "flag");
        assert_eq!(resolve(None, Some("document"), &env).unwrap(), "document");
        assert_eq!(resolve(None, None, &env).unwrap(), "article");
        assert_eq!(resolve(None, None, &env[..1]).unwrap(), "ecosystem");
        assert_eq!(resolve(None, None, &[("project_id", "")]).unwrap(), "default");
    }

    #[test]
    fn a_route_leads_nowhere_else() {
        let given = |text: &str| route(Some(text.into()), &mut None, None);
        assert_eq!(given("/models/iris/").unwrap().unwrap(), "/models/iris/");
        for bad in ["../x", "a/../b", ".", "", "//", "a\rb", "a*"] {
            assert!(given(bad).unwrap_err().is(deployment::Kind::Usage), "{bad:?}");
        }
    }

    #[test]
    fn the_cache_is_where_xdg_says() {
        let cache = |xdg: &str, home: &str| {
            cache_in(|name| Some(if name == "HOME" { home } else { xdg }.into()))
        };
        assert_eq!(cache("/c", "/h").unwrap(), PathBuf::from("/c/mlflow-aip"));
        assert_eq!(cache("c", "/h").unwrap(), PathBuf::from("/h/.cache/mlflow-aip"));
    }

    #[test]
    fn an_unusable_variable_is_named() {
        let mut field: Option<u16> = None;
        let failure =
            PROJECT.resolve_with(|_| Some("x".into()), None, &mut field, None).unwrap_err();
        assert_eq!(
            failure.message,
            "environment variable 'project_id' is unusable: invalid digit found in string"
        );
    }
}
