//! What is there instead of what was asked for.
//!
//! These look-ups only serve a hint: where they fail, the hint is shorter.

use transport::HttpError;

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
    let uri = &resolved.uri;
    let message = format!("there is nothing at '{uri}'");
    if let Some((run_id, path)) = &resolved.served.run {
        return in_run(client, run_id, path, message);
    }
    Error::missing(
        message,
        Some(format!("MLflow keeps it at '{}'; was it deleted there?", resolved.location)),
    )
}

/// Looks in the directories above, the nearest first.
fn in_run(client: &Client, run_id: &str, path: &str, message: String) -> Error {
    let mut above = path;
    while let Some(parent) = above
        .rsplit_once('/')
        .map(|(parent, _)| parent)
        .or_else(|| (!above.is_empty()).then_some(""))
    {
        let entries = client.list_run(run_id, parent).unwrap_or_default();
        if entries.iter().any(|entry| entry.path == above && !entry.is_dir) {
            let uri = ModelUri::Run {
                run_id: run_id.into(),
                path: Some(parent.to_owned()).filter(|parent| !parent.is_empty()),
            };
            let message = format!("'{above}' of run '{run_id}' is a file, not a model's directory");
            return Error::missing(
                message,
                Some(format!("try mlf-fetch {}", quoted(&uri.to_string()))),
            );
        }
        if !entries.is_empty() {
            let names = list(entries.into_iter().map(|entry| entry.path));
            return Error::missing(
                message,
                Some(format!("run '{run_id}' has {names}{}", models(client, run_id))),
            );
        }
        above = parent;
    }
    let models = models(client, run_id);
    let hint = if models.is_empty() {
        "the run has no artifacts".into()
    } else {
        format!("the run has no artifacts{models}")
    };
    Error::missing(message, Some(hint))
}

fn models(client: &Client, run_id: &str) -> String {
    let run = client.run(run_id).ok().filter(|run| !run.outputs.model_outputs.is_empty());
    let models = run.and_then(|run| client.logged_models_of(&run.info).ok()).unwrap_or_default();
    if models.is_empty() {
        return String::new();
    }
    format!(" and the models {}", list(models.into_iter().map(|model| model.name)))
}
