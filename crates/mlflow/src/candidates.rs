//! The model of a run of which only the id is known.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::backend::{Backend, LoggedModel, Root, Run};
use crate::error::Error;
use crate::resolve::{find_run, list};
use crate::uri::ModelUri;

/// The run's model, if it has just one.
pub(crate) fn only_model(backend: &dyn Backend, run_id: &str) -> Result<ModelUri, Error> {
    let run = find_run(backend, run_id)?;
    let logged = backend.logged_models(&run)?;
    let mut paths = history(&run);
    if logged.is_empty() && paths.is_empty() {
        paths = directories_with_mlmodel(backend, run_id)?;
    }
    let in_run = |path: &String| ModelUri::Run { run_id: run_id.into(), path: Some(path.clone()) };
    let mut models: Vec<_> = logged.iter().map(|model| (of_model(model), said_of(model))).collect();
    models.extend(paths.iter().map(|path| (in_run(path), String::new())));
    match models.len() {
        1 => Ok(models.remove(0).0),
        0 => Err(no_model(backend, run_id)),
        count => Err(Error::Ambiguous {
            message: format!("run '{run_id}' has {count} models"),
            choices: models
                .iter()
                .map(|(uri, said)| format!("mlf-fetch {}{said}", quoted(&uri.to_string())))
                .collect(),
        }),
    }
}

fn of_model(model: &LoggedModel) -> ModelUri {
    ModelUri::Logged { model_id: model.id.clone(), path: None }
}

fn said_of(model: &LoggedModel) -> String {
    match &model.unfinished {
        Some(status) => format!("  # '{}', {status}", model.name),
        None => format!("  # '{}'", model.name),
    }
}

/// The paths in the history tag; a path that was logged to again counts once.
/// An unreadable tag (old servers cut long ones) says nothing.
fn history(run: &Run) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Logged {
        artifact_path: String,
    }
    let models: Vec<Logged> =
        run.history.as_deref().and_then(|tag| serde_json::from_str(tag).ok()).unwrap_or_default();
    models.into_iter().map(|model| model.artifact_path).collect()
}

/// Models that were put there as plain files, one step below the run's root.
fn directories_with_mlmodel(
    backend: &dyn Backend,
    run_id: &str,
) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    let root = Root::Run(run_id);
    for entry in backend.list(root, "")?.into_iter().filter(|entry| entry.is_dir) {
        let mlmodel = format!("{}/MLmodel", entry.path);
        let files = backend.list(root, &entry.path)?;
        if files.iter().any(|file| !file.is_dir && file.path == mlmodel) {
            found.insert(entry.path);
        }
    }
    Ok(found)
}

fn no_model(backend: &dyn Backend, run_id: &str) -> Error {
    let artifacts = backend.list(Root::Run(run_id), "").unwrap_or_default();
    let hint = if artifacts.is_empty() {
        "it has no artifacts at all; was the model logged to another run?".into()
    } else {
        format!("it has {}", list(artifacts.into_iter().map(|entry| entry.path)))
    };
    Error::missing(format!("run '{run_id}' has no model"), Some(hint))
}

/// As one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/._-@".contains(&byte);
    if text.bytes().all(plain) { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
