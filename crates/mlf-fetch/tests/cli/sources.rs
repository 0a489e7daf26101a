//! Names that lead to other names: what is asked of the server, and what of it
//! a person sees.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{MLMODEL, Outcome, RUN, Reply, Request, Server, fetch, fetch_in, file, whole};

const OLD: &str = "m-11111111111111111111111111111111";
const NEW: &str = "m-22222222222222222222222222222222";

fn query(request: &Request) -> BTreeMap<String, String> {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.into(), value.replace("%2F", "/").replace("%3A", ":")))
        .collect()
}

fn logged(id: &str, created: u8) -> Value {
    json!({"info": {"model_id": id, "experiment_id": "1", "name": "model", "source_run_id": RUN,
        "artifact_uri": format!("mlflow-artifacts:/1/models/{id}/artifacts"),
        "status": "LOGGED_MODEL_READY", "creation_timestamp_ms": created}})
}

/// MLflow 3 with a run of two models of one name, and versions that lead on as
/// `uris` says. Any directory holds a model.
fn mlflow(uris: &'static [(&'static str, &'static str)]) -> Server {
    Server::start(move |request| {
        let query = query(request);
        let missing =
            || Reply::Json(404, json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}));
        let path = request.target.split('?').next().unwrap();
        let body = match path.strip_prefix("/api/2.0/mlflow/").unwrap_or(path) {
            "runs/get" => json!({"run": {
                "info": {"run_id": RUN, "experiment_id": "1",
                         "artifact_uri": format!("mlflow-artifacts:/1/{RUN}/artifacts")},
                "outputs": {"model_outputs": [{"model_id": OLD}, {"model_id": NEW}]}}}),
            "logged-models/search" => json!({"models": [logged(OLD, 1), logged(NEW, 2)]}),
            "model-versions/get" if query["version"] == "404" => return missing(),
            "model-versions/get" => json!({"model_version": {
                "name": query["name"], "version": query["version"], "source": "?"}}),
            "model-versions/get-download-uri" => {
                let found = uris.iter().find(|(version, _)| *version == query["version"]);
                let next: u64 = query["version"].parse::<u64>().unwrap() + 1;
                let onwards = format!("models:/{}/{next}", query["name"]);
                json!({"artifact_uri": found.map_or(onwards, |(_, uri)| (*uri).to_owned())})
            }
            "artifacts/list" => match query.get("path").map(String::as_str) {
                Some("model") => json!({"files": [file("model/notes.txt", 1)]}),
                Some("sub/dir") => json!({"files": [file("sub/dir/MLmodel", MLMODEL.len())]}),
                _ => json!({}),
            },
            "registered-models/get" => return missing(),
            "/api/2.0/mlflow-artifacts/artifacts" => {
                json!({"files": [file("MLmodel", MLMODEL.len())]})
            }
            path if path.ends_with("/artifacts/directories") => {
                let root = query.get("artifact_directory_path").cloned();
                let root = root.map(|root| root + "/").unwrap_or_default();
                json!({"files": [file(&format!("{root}MLmodel"), MLMODEL.len())]})
            }
            path if path.ends_with("/MLmodel") => {
                return Reply::Raw(whole(200, "text/plain", MLMODEL.as_bytes()));
            }
            path if path.starts_with("logged-models/m-") => {
                json!({"model": logged(path.rsplit('/').next().unwrap(), 1)})
            }
            _ => return missing(),
        };
        Reply::Json(200, body)
    })
}

#[track_caller]
fn came(outcome: &Outcome, uri: &str, artifacts: &str) {
    let record = outcome.fetch();
    assert_eq!((&record["modelUri"], &record["artifactUri"]), (&json!(uri), &json!(artifacts)));
}

#[test]
fn a_version_may_lead_to_a_run_and_that_to_a_model() {
    let server =
        mlflow(&[("1", "models:/other/2"), ("2", "runs:/0123456789abcdef0123456789abcdef/model")]);
    let outcome = fetch(&server, &["-v", "models:/iris/1"]);
    came(&outcome, "models:/iris/1", &format!("mlflow-artifacts:/1/models/{NEW}/artifacts"));
    for step in [
        &format!("resolving 'models:/iris/1' at '{}'", server.url),
        "'models:/iris/1' leads to 'models:/other/2'",
        &format!("'models:/other/2' leads to 'runs:/{RUN}/model'"),
        &format!("'runs:/{RUN}/model' leads to 'models:/{NEW}'"),
        "model-uri = 'models:/iris/1' (from the argument)",
        &format!("GET {}/api/2.0/mlflow/runs/get?run_id={RUN}\n", server.url),
        "1 files, read from the tracking server\n",
        "'MLmodel' comes by the artifact proxy, the faster route of MLflow 3.4 and later\n",
    ] {
        assert!(outcome.stderr.contains(step), "no '{step}' in:\n{}", outcome.stderr);
    }
}

#[test]
fn another_registry_is_not_asked_and_that_is_said() {
    let server = mlflow(&[("1", "mlflow-artifacts:/7/x")]);
    let asked = |registry: &str| {
        let env = [("MLFLOW_REGISTRY_URI", registry)];
        fetch_in(tempfile::tempdir().unwrap(), &server.url, &["models:/iris/1"], &env).stderr
    };
    assert!(asked("http://u:s3cret@h").contains("warning: MLFLOW_REGISTRY_URI is not heeded"));
    assert!(!asked("http://u:s3cret@h").contains("s3cret"));
    assert!(!asked(&format!("{}/", server.url)).contains("MLFLOW_REGISTRY_URI"));
}

#[test]
fn a_path_below_is_kept_whatever_leads_there() {
    let server = mlflow(&[
        ("1", "runs:/0123456789abcdef0123456789abcdef/sub"),
        ("2", "models:/m-11111111111111111111111111111111"),
        ("3", "mlflow-artifacts:/7/x"),
    ]);
    for (asked, artifacts) in [
        ("models:/iris/1/dir".into(), format!("/1/{RUN}/artifacts/sub/dir")),
        ("models:/iris/2/a/b".into(), format!("/1/models/{OLD}/artifacts/a/b")),
        ("models:/iris/3/a".into(), "/7/x/a".into()),
        (format!("models:/{NEW}/a"), format!("/1/models/{NEW}/artifacts/a")),
        (format!("runs:/{RUN}/model/a"), format!("/1/models/{NEW}/artifacts/a")),
        (format!("{}/api/2.0/mlflow-artifacts/artifacts/7/y", server.url), "/7/y".into()),
    ] {
        let record = fetch(&server, &[&asked]).fetch();
        assert_eq!(record["artifactUri"], format!("mlflow-artifacts:{artifacts}"), "{asked}");
    }
}

#[test]
fn a_chain_ends() {
    let server = mlflow(&[("1", "models:/iris/2"), ("2", "models:/iris/1")]);
    fetch(&server, &["models:/iris/1"]).failed(
        1,
        &[
            "'models:/iris/1' leads back to itself",
            "models:/iris/1 > models:/iris/2 > models:/iris/1",
        ],
    );
    fetch(&server, &["models:/iris/3"]).failed(1, &["'models:/iris/3' leads on and on"]);
    let to_nothing = mlflow(&[("1", "models:/iris/404")]);
    fetch(&to_nothing, &["models:/iris/1"]).failed(4, &["registered model 'iris' does not exist"]);
}

#[test]
fn two_models_of_one_name_are_a_warning_and_an_id_settles_it() {
    let server = mlflow(&[]);
    let outcome = fetch(&server, &[&format!("runs:/{RUN}/model")]);
    came(
        &outcome,
        &format!("models:/{NEW}"),
        &format!("mlflow-artifacts:/1/models/{NEW}/artifacts"),
    );
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let said = |text: &str| {
        let mut results = document["results"].as_array().unwrap().iter();
        results.any(|result| result["message"].as_str().unwrap().contains(text))
    };
    assert!(said(&format!("has 2 models named 'model'; took the last one, '{NEW}'")));
    let hint = format!("mlf-fetch: hint: name one: 'models:/{NEW}', 'models:/{OLD}'\n");
    assert!(outcome.stderr.contains(&hint), "{}", outcome.stderr);
    assert!(said("has files of its own in 'model', which are not of the model: 'model/notes.txt'"));
    let told = fetch(&server, &[&format!("runs:/{RUN}/model"), "--log-format", "json"]).stderr;
    let mut told = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let hints = json!([format!("name one: 'models:/{NEW}', 'models:/{OLD}'")]);
    assert!(told.any(|event| event["severity"] == "warning" && event["hints"] == hints));
    let pinned = fetch(&server, &[&format!("models:/{OLD}")]);
    came(
        &pinned,
        &format!("models:/{OLD}"),
        &format!("mlflow-artifacts:/1/models/{OLD}/artifacts"),
    );
    assert!(!pinned.stdout.contains("has 2 models"));
    fetch(&server, &[RUN])
        .failed(2, &["has 2 models", &format!("mlf-fetch models:/{OLD}  # 'model'")]);
}
