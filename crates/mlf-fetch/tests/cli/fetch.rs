//! A model comes whole, is known again, and its document says what it is.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{
    MLMODEL, RUN, Reply, Request, Server, fetch, fetch_in, file, listing, run, whole, with_model,
};
use serde_json::{Value, json};

const DATA: &str = "0123456789";

fn good() -> Server {
    with_model(listing(&[file("model/a b.txt", DATA.len())]), |name, _| {
        let content = if name == "MLmodel" { MLMODEL } else { DATA };
        Reply::Raw(whole(200, "application/octet-stream", content.as_bytes()))
    })
}

#[test]
fn a_model_comes_whole_and_only_once() {
    let server = good();
    let first = fetch(&server, &[RUN]);
    let record = first.fetch();
    let directory = Path::new(record["directory"].as_str().unwrap()).to_owned();
    assert_eq!(fs::read_to_string(directory.join("a b.txt")).unwrap(), DATA);
    assert_eq!(fs::read_to_string(directory.join("MLmodel")).unwrap(), MLMODEL);
    assert_eq!(record["modelUri"], json!(format!("runs:/{RUN}/model")));
    assert_eq!(record["lineage"], json!({"runId": RUN, "experimentId": "1"}));
    assert_eq!(record["pythonVersion"], "3.11.7");
    assert_eq!(record["signature"]["inputs"][0]["name"], "x");
    assert_eq!(record["files"][1]["crc32c"], "KAwGng==", "{record}");
    let size = MLMODEL.len() + DATA.len();
    assert_eq!(record["notes"]["bytesFetched"], size);

    let before = server.requests().len();
    let second = fetch_in(first.directory, &server.url, &[&format!(" {RUN} ")], &[]);
    let again = second.fetch();
    assert_eq!((&again["digest"], &again["files"]), (&record["digest"], &record["files"]));
    assert_eq!(again["notes"]["bytesFetched"], 0);
    let requests = server.requests();
    let read = requests[before..].iter().filter(|request| request.target.contains("a%20b.txt"));
    assert!(read.clone().all(Request::only_looks), "content was sent again");
    assert_eq!(read.count(), 1, "a run's files may be written again");

    fs::remove_file(directory.join("a b.txt")).unwrap();
    fs::write(directory.join("a b.txt"), "tampered!!").unwrap();
    let third = fetch_in(second.directory, &server.url, &[RUN], &[]);
    assert_eq!(third.fetch()["notes"]["bytesFetched"], size);
    assert_eq!(fs::read_to_string(directory.join("a b.txt")).unwrap(), DATA);
}

#[test]
fn a_dry_run_reads_mlmodel_and_writes_nothing() {
    let server = good();
    let outcome = fetch(&server, &["--dry-run", &format!("runs:/{RUN}/model")]);
    let record = outcome.fetch();
    assert_eq!(
        record["files"][1],
        json!({"path": "a b.txt", "size": 10, "sha256": "", "crc32c": ""})
    );
    assert_eq!(outcome.directory.path().read_dir().unwrap().count(), 0);
    assert!(server.requests().iter().all(|request| !request.target.contains("a%20b.txt")));
}

#[test]
fn a_part_does_not_take_the_place_of_the_whole() {
    let server = good();
    let whole = fetch(&server, &[RUN, "--output", "out"]);
    let digest = whole.fetch()["digest"].clone();
    let part =
        fetch_in(whole.directory, &server.url, &[RUN, "--output", "out", "--metadata-only"], &[]);
    part.failed(2, &["/out' holds the whole of 'runs:/", "hint: give --output another directory"]);
    let again = fetch_in(part.directory, &server.url, &[RUN, "--output", "out"], &[]).fetch();
    assert_eq!(again["digest"], digest);
    assert_eq!(again["notes"]["bytesFetched"], 0);
}

#[test]
fn a_given_document_is_gone_on_with() {
    let server = good();
    let directory = tempfile::tempdir().unwrap();
    let document = json!({"apiVersion": "mlflow-aip/v1", "kind": "Deployment", "mine": 1,
        "spec": {"modelUri": RUN, "trackingUri": server.url.replace("//", "//ana:secret@")}});
    fs::write(directory.path().join("d.json"), document.to_string()).unwrap();
    let outcome = fetch_in(directory, "http://127.0.0.1:1", &["--document", "d.json"], &[]);
    outcome.fetch();
    let written: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(written["mine"], 1);
    assert_eq!(written["spec"]["modelUri"], RUN, "the intent stays");
    assert_eq!(written["spec"]["trackingUri"], json!(server.url));
    let login = server.requests()[0].headers["authorization"].clone();
    assert_eq!(login, "Basic YW5hOnNlY3JldA==");
}

#[test]
fn a_directory_here_needs_no_server() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("mine/deep")).unwrap();
    fs::write(directory.path().join("mine/MLmodel"), MLMODEL).unwrap();
    fs::write(directory.path().join("mine/deep/empty"), "").unwrap();
    let outcome = fetch_in(directory, "sqlite:///mlflow.db", &["./mine", "--output", "out"], &[]);
    let record = outcome.fetch();
    assert_eq!(record["files"][1]["path"], "deep/empty");
    assert_eq!(record["files"][1]["size"], 0);
    assert!(outcome.directory.path().join("out/deep/empty").is_file());
    assert!(record.get("artifactUri").is_none());
}

#[test]
fn several_models_in_a_run_are_listed_with_their_commands() {
    let history = json!([{"artifact_path": "first"}, {"artifact_path": "my second"},
                         {"artifact_path": "first"}]);
    let server = Server::start(move |_| Reply::Json(200, run(&history)));
    let outcome = fetch(&server, &[RUN]);
    outcome.failed(
        2,
        &[
            &format!("run '{RUN}' has 2 models"),
            &format!("mlf-fetch:   mlf-fetch runs:/{RUN}/first\n"),
            &format!("mlf-fetch:   mlf-fetch 'runs:/{RUN}/my second'\n"),
        ],
    );
}

/// A server of MLflow 2. `/get-artifact` says when a file was written unless it
/// sends a copy.
fn mlflow_2(more: &[Value], copies: bool) -> Server {
    let files = listing(more);
    Server::start(move |request| {
        let body = match request.target.split('?').next().unwrap() {
            "/api/2.0/mlflow/runs/get" => run(&json!([{"artifact_path": "model"}])).to_string(),
            "/api/2.0/mlflow/artifacts/list" => json!({"files": files}).to_string(),
            "/get-artifact" => MLMODEL.into(),
            path if copies && path.ends_with("/MLmodel") => MLMODEL.into(),
            _ => return Reply::Silence,
        };
        let written = if copies { "" } else { "Last-Modified: Sat, 21 Nov 2026 17:00:00 GMT\r\n" };
        let length = body.len();
        Reply::Raw(
            format!(
                "HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: Sun, 22 Nov 2026 17:00:00 GMT\r\n\
                {written}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .into_bytes(),
        )
    })
}

#[test]
fn mlflow_2_is_read_by_its_faster_route() {
    let server = mlflow_2(&[], false);
    let outcome = fetch(&server, &[RUN, "-v"]);
    outcome.fetch();
    assert!(outcome.stderr.contains("by /get-artifact, the faster route of MLflow 2 to 3.3\n"));
    assert!(server.requests().iter().all(|request| !request.target.contains("mlflow-artifacts")));
}

#[test]
fn mlflow_2_is_asked_for_other_letters_where_it_understands_them() {
    let server = mlflow_2(&[file("model/é", MLMODEL.len())], true);
    let outcome = fetch(&server, &[RUN, "-v"]);
    outcome.fetch();
    for step in [
        "'MLmodel' comes by the artifact proxy, as /get-artifact of MLflow 2 to 3.3 would make",
        "'é' comes by /get-artifact, as the artifact proxy of MLflow 2 to 3.3 takes names in ASCII",
    ] {
        assert!(outcome.stderr.contains(step), "no '{step}' in:\n{}", outcome.stderr);
    }
}

#[test]
fn progress_is_told_in_json_and_the_rate_is_kept() {
    let server = good();
    let begun = Instant::now();
    let outcome = fetch(&server, &[RUN, "--log-format", "json", "--limit-rate", "400"]);
    outcome.fetch();
    let size = MLMODEL.len() + DATA.len();
    assert!(
        begun.elapsed() >= Duration::from_millis(size as u64 * 1000 / 400),
        "{:?} for {size} bytes",
        begun.elapsed()
    );
    let mut events =
        outcome.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told = events.rfind(|event| event["event"] == "progress").unwrap();
    assert_eq!(told["stage"], "fetch");
    assert_eq!(told["bytes"], json!({"done": size, "total": size}));
    assert_eq!(told["files"], json!({"done": 2, "total": 2}));
    fetch(&server, &[RUN, "--limit-rate", "fast"]).failed(2, &["'fast' is not a rate"]);
}
