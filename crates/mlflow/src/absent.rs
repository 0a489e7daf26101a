//! What is there instead of what was asked for.
//!
//! These look-ups only serve a hint: where they fail, the hint is shorter.

use crate::backend::{Backend, Root};
use crate::candidates::quoted;
use crate::client::Client;
use crate::error::Error;
use crate::resolve::list;
use crate::resolved::Resolved;
use crate::uri::Selector;

pub(crate) fn run(backend: &dyn Backend, run_id: &str) -> Error {
    let hint = "check the run id, and that --tracking-uri names the server it was logged to";
    let has_workspaces = backend.client().is_some_and(Client::has_workspaces);
    let workspace = if has_workspaces { "; MLFLOW_WORKSPACE names the workspace" } else { "" };
    let message = format!("run '{run_id}' does not exist at '{backend}'");
    Error::missing(message, Some(format!("{hint}{workspace}")))
}

/// A registered model, or a version, alias or stage of it, that is not there.
pub(crate) fn version(backend: &dyn Backend, name: &str, selector: &Selector) -> Error {
    let model = match backend.registered_model(name) {
        Ok(Some(model)) => model,
        Ok(None) => {
            let others = backend.some_registered_models().unwrap_or_default();
            let hint = if others.is_empty() {
                "the registry is empty, or it is another MLFLOW_WORKSPACE's; a run's model is \
                 runs:/RUN_ID/PATH"
                    .into()
            } else {
                format!("there are {}", list(others.into_iter()))
            };
            let message = format!("registered model '{name}' does not exist at '{backend}'");
            return Error::missing(message, Some(hint));
        }
        Err(error) => return error,
    };
    let message = match selector {
        Selector::Version(version) => format!("model '{name}' has no version {version}"),
        Selector::Alias(alias) => format!("model '{name}' has no alias '{alias}'"),
        Selector::Stage(stage) => format!("model '{name}' has no version in stage '{stage}'"),
        Selector::Latest => format!("model '{name}' has no versions"),
    };
    let mut there = Vec::new();
    if !model.versions.is_empty() {
        let numbers: Vec<_> = model.versions.iter().map(u64::to_string).collect();
        there.push(format!("its versions: {}", numbers.join(", ")));
    }
    if !model.aliases.is_empty() {
        let aliases: Vec<_> = model
            .aliases
            .iter()
            .map(|(alias, version)| format!("'{alias}' (version {version})"))
            .collect();
        there.push(format!("its aliases: {}", aliases.join(", ")));
    }
    Error::missing(message, (!there.is_empty()).then(|| there.join("; ")))
}

/// Nothing is listed where the model should be.
pub(crate) fn artifacts(backend: &dyn Backend, resolved: &Resolved) -> Error {
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
        let entries = backend.list(root, parent).unwrap_or_default();
        if entries.iter().any(|entry| entry.path == above && !entry.is_dir) {
            let message = format!("'{uri}' is a file, not a model's directory");
            let command = format!("try mlf-fetch {}", quoted(&root.uri(parent).to_string()));
            return Error::missing(message, Some(command));
        }
        there.extend(entries.into_iter().map(|entry| entry.path));
        above = parent;
    }
    if let Root::Run(run_id) = root {
        there.extend(models(backend, run_id));
    }
    let hint = match there.as_slice() {
        [] if backend.client().is_none() => format!(
            "its files were at '{location}' and are not beside the store either; bring them along"
        ),
        [] => "there are no artifacts at all; was it logged to another run?".into(),
        _ => format!("there are {}", list(there.into_iter())),
    };
    Error::missing(message, Some(hint))
}

/// The names of a run's logged models.
fn models(backend: &dyn Backend, run_id: &str) -> Vec<String> {
    let run = backend.run(run_id).ok().flatten();
    let models = run.and_then(|run| backend.logged_models(&run).ok()).unwrap_or_default();
    models.into_iter().map(|model| model.name).collect()
}
