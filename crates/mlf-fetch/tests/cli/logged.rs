//! Logged models of a run: which one is taken, and what is kept of it.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{MLMODEL, Outcome, RUN, Reply, Server, fetch_in, file, whole};

const OLD: &str = "m-11111111111111111111111111111111";
const NEW: &str = "m-22222222222222222222222222222222";

/// A logged model named `model`, as the server tells of it.
fn model(id: &str, created: u8, status: &str) -> Value {
    json!({"info": {"model_id": id, "experiment_id": "1", "name": "model", "source_run_id": RUN,
        "artifact_uri": format!("mlflow-artifacts:/1/models/{id}/artifacts"),
        "status": status, "creation_timestamp_ms": created}})
}

/// MLflow 3 with a run of these models, each of two files.
fn mlflow(models: Vec<Value>) -> Server {
    listing(Some(json!({"model_outputs": [{}]})), models)
}

/// The same where the run says this of its outputs.
fn listing(outputs: Option<Value>, models: Vec<Value>) -> Server {
    changing(outputs, move || models.clone())
}

/// The same, of models that are other ones each time.
fn changing(
    outputs: Option<Value>,
    models: impl Fn() -> Vec<Value> + Send + Sync + 'static,
) -> Server {
    Server::start(move |request| {
        let path = request.target.split('?').next().unwrap();
        let body = match path.strip_prefix("/api/2.0/mlflow/").unwrap_or(path) {
            "runs/get" => {
                let mut run = json!({
                    "info": {"run_id": RUN, "experiment_id": "1",
                             "artifact_uri": format!("mlflow-artifacts:/1/{RUN}/artifacts")}});
                if let Some(outputs) = &outputs {
                    run["outputs"] = outputs.clone();
                }
                json!({"run": run})
            }
            "artifacts/list" => {
                json!({"files": [file("model/MLmodel", MLMODEL.len()), file("model/x", 4)]})
            }
            "logged-models/search" => json!({"models": models()}),
            path if path.ends_with("/directories") => {
                json!({"files": [file("MLmodel", MLMODEL.len()), file("x", 4)]})
            }
            path if path.ends_with("/MLmodel") => {
                return Reply::Raw(whole(200, "text/plain", MLMODEL.as_bytes()));
            }
            path if path.ends_with("/x") => return Reply::Raw(whole(200, "", b"text")),
            _ => json!({}),
        };
        Reply::Json(200, body)
    })
}

fn fetch(server: &Server, directory: tempfile::TempDir) -> Outcome {
    let cache = directory.path().join("cache");
    let env = [("XDG_CACHE_HOME", cache.to_str().unwrap())];
    fetch_in(directory, &server.url, &[&format!("runs:/{RUN}/model")], &env)
}

#[test]
fn a_finished_model_comes_before_a_newer_one_that_is_not() {
    for status in ["LOGGED_MODEL_PENDING", "LOGGED_MODEL_UPLOAD_FAILED"] {
        let models = vec![model(OLD, 1, "LOGGED_MODEL_READY"), model(NEW, 2, status)];
        let outcome = fetch(&mlflow(models), tempfile::tempdir().unwrap());
        assert_eq!(outcome.fetch()["modelUri"], format!("models:/{OLD}"));
        let said = format!("took the last finished one, '{OLD}', as '{NEW}' is {status}\n");
        assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
    }
}

#[test]
fn a_model_that_is_not_finished_is_asked_for_again() {
    for (status, asked) in [("LOGGED_MODEL_READY", 0), ("LOGGED_MODEL_PENDING", 1)] {
        let server = mlflow(vec![model(NEW, 1, status)]);
        let first = fetch(&server, tempfile::tempdir().unwrap());
        first.fetch();
        let warned = first.stderr.contains(&format!("logged model '{NEW}' is {status}"));
        assert_eq!(warned, asked == 1, "{}", first.stderr);
        let second = fetch(&server, first.directory);
        assert_eq!(second.fetch()["notes"]["bytesFetched"], 0, "{status}");
        let looks = server.requests();
        let looks = looks.iter().filter(|it| it.only_looks() && it.target.ends_with("/x"));
        assert_eq!(looks.count(), asked, "{status}");
    }
}

/// It may have been written again before it was called finished.
#[test]
fn what_came_of_an_unfinished_model_is_not_taken_for_the_finished_one() {
    let status = Arc::new(Mutex::new("LOGGED_MODEL_PENDING"));
    let now = status.clone();
    let server = changing(Some(json!({"model_outputs": [{}]})), move || {
        vec![model(NEW, 1, *now.lock().unwrap())]
    });
    let first = fetch(&server, tempfile::tempdir().unwrap());
    first.fetch();
    *status.lock().unwrap() = "LOGGED_MODEL_READY";
    let second = fetch(&server, first.directory);
    assert_eq!(second.fetch()["notes"]["bytesFetched"], MLMODEL.len() + 4);
    let third = fetch(&server, second.directory);
    assert_eq!(third.fetch()["notes"]["bytesFetched"], 0);
}

#[test]
fn a_model_that_its_run_does_not_list_is_found() {
    let ready = || vec![model(NEW, 1, "LOGGED_MODEL_READY")];
    let searches = |server: &Server| {
        let requests = server.requests();
        requests.iter().filter(|it| it.target.ends_with("/logged-models/search")).count()
    };
    let server = listing(Some(json!({})), ready());
    let outcome = fetch(&server, tempfile::tempdir().unwrap());
    assert_eq!(outcome.fetch()["modelUri"], format!("models:/{NEW}"));
    assert_eq!(searches(&server), 1);
    // MLflow 2, which has no such search.
    let server = listing(None, ready());
    let outcome = fetch(&server, tempfile::tempdir().unwrap());
    assert_eq!(outcome.fetch()["modelUri"], format!("runs:/{RUN}/model"));
    assert_eq!(searches(&server), 0);
}
