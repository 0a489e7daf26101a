//! The model of a run of which only the id is known.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::api::{LoggedModelInfo, Run};
use crate::client::Client;
use crate::error::Error;
use crate::resolve::{find_run, list};
use crate::uri::ModelUri;

/// MLflow 2 notes here, as JSON, each model that a run logged.
const HISTORY: &str = "mlflow.log-model.history";

/// The run's model, if it has just one.
pub(crate) fn only_model(client: &Client, run_id: &str) -> Result<ModelUri, Error> {
    let run = find_run(client, run_id)?;
    let logged = if run.outputs.model_outputs.is_empty() {
        Vec::new()
    } else {
        client.logged_models_of(&run.info).map_err(|error| {
            client.explain(format!("cannot list the models of run '{run_id}'"), error)
        })?
    };
    let mut paths = history(&run);
    if logged.is_empty() && paths.is_empty() {
        paths = directories_with_mlmodel(client, run_id)?;
    }
    let in_run = |path: &String| ModelUri::Run { run_id: run_id.into(), path: Some(path.clone()) };
    let mut models: Vec<_> = logged.iter().map(|model| (of_model(model), said_of(model))).collect();
    models.extend(paths.iter().map(|path| (in_run(path), String::new())));
    match models.len() {
        1 => Ok(models.remove(0).0),
        0 => Err(no_model(client, run_id)),
        count => Err(Error::Ambiguous {
            message: format!("run '{run_id}' has {count} models"),
            choices: models
                .iter()
                .map(|(uri, said)| format!("mlf-fetch {}{said}", quoted(&uri.to_string())))
                .collect(),
        }),
    }
}

fn of_model(model: &LoggedModelInfo) -> ModelUri {
    ModelUri::Logged { model_id: model.model_id.clone(), path: None }
}

fn said_of(model: &LoggedModelInfo) -> String {
    format!("  # '{}'", model.name)
}

/// The paths in the history tag; a path that was logged to again counts once.
/// An unreadable tag (old servers cut long ones) says nothing.
fn history(run: &Run) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Logged {
        artifact_path: String,
    }
    let tag = run.data.tags.iter().find(|tag| tag.key == HISTORY);
    let models: Vec<Logged> =
        tag.and_then(|tag| serde_json::from_str(&tag.value).ok()).unwrap_or_default();
    models.into_iter().map(|model| model.artifact_path).collect()
}

/// Models that were put there as plain files, one step below the run's root.
fn directories_with_mlmodel(client: &Client, run_id: &str) -> Result<BTreeSet<String>, Error> {
    let listed = |path: &str| {
        client.list_run(run_id, path).map_err(|error| {
            client.explain(format!("cannot list the artifacts of run '{run_id}'"), error)
        })
    };
    let mut found = BTreeSet::new();
    for entry in listed("")?.into_iter().filter(|entry| entry.is_dir) {
        let mlmodel = format!("{}/MLmodel", entry.path);
        if listed(&entry.path)?.iter().any(|file| !file.is_dir && file.path == mlmodel) {
            found.insert(entry.path);
        }
    }
    Ok(found)
}

fn no_model(client: &Client, run_id: &str) -> Error {
    let artifacts = client.list_run(run_id, "").unwrap_or_default();
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
