//! What is there instead of what was asked for.
//!
//! These look-ups only serve a hint: where they fail, the hint is shorter.

use transport::HttpError;

use crate::api::FileInfo;
use crate::candidates::quoted;
use crate::client::Client;
use crate::error::Error;
use crate::resolve::{Resolved, list};
use crate::uri::{ModelUri, Selector};

/// A registered model, or a version, alias or stage of it, that is not there.
pub(crate) fn version(client: &Client, name: &str, selector: &Selector, error: HttpError) -> Error {
    if error.code().is_none() {
        return client.explain(format!("cannot look up model '{name}'"), error);
    }
    if client.registered_model(name).is_err_and(|error| error.status() == Some(404)) {
        let others = client.some_registered_models().unwrap_or_default();
        let hint = if others.is_empty() {
            "the registry is empty; a run's model is runs:/RUN_ID/PATH".into()
        } else {
            format!("there are {}", list(others.into_iter().map(|model| model.name)))
        };
        let message = format!("registered model '{name}' does not exist at '{}'", client.server);
        return Error::missing(message, Some(hint));
    }
    in_stage(client, name, selector)
}

/// The model is there, and nothing in it that the selector takes.
pub(crate) fn in_stage(client: &Client, name: &str, selector: &Selector) -> Error {
    let message = match selector {
        Selector::Version(version) => format!("model '{name}' has no version {version}"),
        Selector::Alias(alias) => format!("model '{name}' has no alias '{alias}'"),
        Selector::Stage(stage) => format!("model '{name}' has no version in stage '{stage}'"),
        Selector::Latest => format!("model '{name}' has no versions"),
    };
    let versions = client.some_versions(name).unwrap_or_default();
    let aliases = client.registered_model(name).map(|model| model.aliases).unwrap_or_default();
    let mut there = Vec::new();
    if !versions.is_empty() {
        let numbers: Vec<_> = versions.into_iter().map(|found| found.version).collect();
        there.push(format!("its versions: {}", numbers.join(", ")));
    }
    if !aliases.is_empty() {
        let aliases: Vec<_> = aliases
            .into_iter()
            .map(|found| format!("'{}' (version {})", found.alias, found.version))
            .collect();
        there.push(format!("its aliases: {}", aliases.join(", ")));
    }
    Error::missing(message, (!there.is_empty()).then(|| there.join("; ")))
}

/// Nothing is listed where the model should be.
pub(crate) fn artifacts(client: &Client, resolved: &Resolved) -> Error {
    let Resolved { uri, location, served, .. } = resolved;
    let message = format!("there is nothing at '{uri}'");
    let (root, path) = match (&served.logged, &served.run) {
        (Some((id, path)), _) => (Root::Logged(id), path.as_str()),
        (None, Some((run_id, path))) => (Root::Run(run_id), path.as_str()),
        (None, None) => {
            let hint = format!("MLflow keeps it at '{location}'; was it deleted there?");
            return Error::missing(message, Some(hint));
        }
    };
    let mut there = Vec::new();
    let mut above = path;
    while !above.is_empty() && there.is_empty() {
        let parent = above.rsplit_once('/').map_or("", |(parent, _)| parent);
        let entries = root.list(client, parent);
        if entries.iter().any(|entry| entry.path == above && !entry.is_dir) {
            let message = format!("'{uri}' is a file, not a model's directory");
            let command = format!("try mlf-fetch {}", quoted(&root.uri(parent).to_string()));
            return Error::missing(message, Some(command));
        }
        there.extend(entries.into_iter().map(|entry| entry.path));
        above = parent;
    }
    if let Root::Run(run_id) = root {
        there.extend(models(client, run_id));
    }
    let hint = match there.as_slice() {
        [] => "there are no artifacts at all; was it logged to another run?".into(),
        _ => format!("there are {}", list(there.into_iter())),
    };
    Error::missing(message, Some(hint))
}

/// What the path in [`Resolved::served`] begins at.
#[derive(Clone, Copy)]
enum Root<'a> {
    Run(&'a str),
    Logged(&'a str),
}

impl Root<'_> {
    fn list(self, client: &Client, path: &str) -> Vec<FileInfo> {
        let listed = match self {
            Self::Run(id) => client.list_run(id, path),
            Self::Logged(id) => client.list_logged(id, path),
        };
        listed.unwrap_or_default()
    }

    fn uri(self, path: &str) -> ModelUri {
        let path = Some(path.to_owned()).filter(|path| !path.is_empty());
        match self {
            Self::Run(id) => ModelUri::Run { run_id: id.into(), path },
            Self::Logged(id) => ModelUri::Logged { model_id: id.into(), path },
        }
    }
}

/// The names of a run's logged models.
fn models(client: &Client, run_id: &str) -> Vec<String> {
    let run = client.run(run_id).ok().filter(|run| !run.outputs.model_outputs.is_empty());
    let models = run.and_then(|run| client.logged_models_of(&run.info).ok()).unwrap_or_default();
    models.into_iter().map(|model| model.name).collect()
}
