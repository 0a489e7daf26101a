//! Servers that lie, break off, or are something else: nothing gets out of the
//! model's directory, nothing half done stays, and the message says what to do.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{
    MLMODEL, RUN, Reply, Server, fetch, fetch_in, file, listing, run, whole, with_model,
};
use serde_json::{Value, json};

/// Serves MLmodel, and `data` as anything else.
fn serving(files: Value, data: &'static str) -> Server {
    with_model(files, move |name, _| {
        let content = if name == "MLmodel" { MLMODEL } else { data };
        Reply::Raw(whole(200, "application/octet-stream", content.as_bytes()))
    })
}

#[test]
fn no_listed_path_leaves_the_model() {
    for path in [
        "../evil",
        "/etc/evil",
        "model/../evil",
        "model/../../evil",
        "evil",
        "modelevil",
        "model//evil",
        "model/./evil",
        "model/a/../../../evil",
        "model/nul\0",
        "model/..",
        "",
    ] {
        let server = serving(listing(&[file(path, 4)]), "evil");
        let outcome = fetch(&server, &[RUN]);
        outcome.failed(1, &["listed path '"]);
        assert_eq!(outcome.directory.path().read_dir().unwrap().count(), 0, "{path}");
    }
    let twice = serving(listing(&[file("model/x", 4), file("model/x", 4)]), "evil");
    fetch(&twice, &[RUN]).failed(1, &["listed path 'x' is there twice"]);
}

#[test]
fn a_listing_without_end_ends() {
    let server = Server::start(|request| {
        if request.target.starts_with("/api/2.0/mlflow/runs/get") {
            return Reply::Json(200, run(&json!([{"artifact_path": "model"}])));
        }
        let path = request.target.rsplit("path=").next().unwrap().replace("%2F", "/");
        Reply::Json(200, json!({"files": [{"path": format!("{path}/d"), "is_dir": true}]}))
    });
    fetch(&server, &[RUN]).failed(1, &["has no end"]);
}

#[test]
fn sizes_that_do_not_agree_are_found() {
    for (listed, said) in
        [(3, "came with more than 0 bytes, and 3"), (9, "came with 4 bytes, and 9")]
    {
        let server = serving(listing(&[file("model/x", listed)]), "evil");
        fetch(&server, &[RUN]).failed(1, &[said]);
    }
}

/// Half an answer, then the end of the connection.
fn half(content: &str) -> Reply {
    let mut bytes = whole(200, "application/octet-stream", content.as_bytes());
    bytes.truncate(bytes.len() - content.len() / 2);
    Reply::Raw(bytes)
}

#[test]
fn a_transfer_that_always_breaks_off_is_given_up() {
    let server = with_model(listing(&[file("model/x", 10)]), |name, _| match name {
        "MLmodel" => Reply::Text(200, "text/plain", MLMODEL.into()),
        _ => half("0123456789"),
    });
    let outcome = fetch(&server, &[RUN]);
    outcome
        .failed(5, &["'x' failed 2 times; going on after 5 bytes", "'x' broke off after 5 bytes"]);
    assert!(!outcome.stderr.contains("1 times") && !outcome.stderr.contains("3 times"));
}

#[test]
fn a_transfer_that_broke_off_goes_on_where_it_was() {
    let tries = AtomicUsize::new(0);
    let server = with_model(listing(&[file("model/x", 10)]), move |name, request| {
        if name == "MLmodel" {
            return Reply::Text(200, "text/plain", MLMODEL.into());
        }
        if tries.fetch_add(1, Ordering::SeqCst) == 0 {
            return half("0123456789");
        }
        assert_eq!(request.headers["range"], "bytes=5-");
        assert_eq!(request.headers["if-range"], "\"v1\"");
        Reply::Raw(
            b"HTTP/1.1 206 X\r\nETag: \"v1\"\r\nContent-Range: bytes 5-9/10\r\n\
              Content-Length: 5\r\nConnection: close\r\n\r\n56789"
                .to_vec(),
        )
    });
    let record = fetch(&server, &[RUN]).fetch();
    // sha256 of "0123456789"
    let whole = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    assert_eq!(record["files"][1]["sha256"], whole);
}

#[test]
fn mlmodel_is_read_again_as_well() {
    let tries = AtomicUsize::new(0);
    let server = with_model(listing(&[]), move |_, _| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => half(MLMODEL),
        1 => Reply::Raw(Vec::new()),
        2 => Reply::Text(500, "text/html", "<html>Internal".into()),
        _ => Reply::Text(200, "text/plain", MLMODEL.into()),
    });
    fetch(&server, &[RUN]).fetch();
    let server = with_model(listing(&[]), |_, _| half(MLMODEL));
    fetch(&server, &[RUN]).failed(5, &["'MLmodel' broke off after"]);
}

#[test]
fn content_that_changed_meanwhile_is_read_anew() {
    let tries = AtomicUsize::new(0);
    let server = with_model(listing(&[file("model/x", 10)]), move |name, _| {
        match (name, tries.fetch_add(usize::from(name != "MLmodel"), Ordering::SeqCst)) {
            ("MLmodel", _) => Reply::Text(200, "text/plain", MLMODEL.into()),
            (_, 0) => half("abcdefghij"),
            _ => Reply::Raw(whole(200, "application/octet-stream", b"0123456789")),
        }
    });
    let outcome = fetch(&server, &[RUN]);
    let directory = outcome.fetch()["directory"].as_str().unwrap().to_owned();
    let path = std::path::Path::new(&directory).join("x");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "0123456789");
}

#[test]
fn a_server_that_falls_silent_is_not_waited_for() {
    let begun = Instant::now();
    let server = Server::start(|_| Reply::Silence);
    let outcome =
        fetch_in(tempfile::tempdir().unwrap(), &server.url, &[RUN], &[("AIP_HTTP_TIMEOUT", "1")]);
    outcome.failed(5, &["no answer within 1 s", "hint: is an MLflow server running at"]);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn mlflows_own_patience_is_heeded() {
    let fetch = |server: &Server, env: &[(&str, &str)]| {
        let env = [&[("AIP_HTTP_TIMEOUT", "")], env].concat();
        fetch_in(tempfile::tempdir().unwrap(), &server.url, &[RUN], &env)
    };
    let silent = Server::start(|_| Reply::Silence);
    fetch(&silent, &[("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")]).failed(5, &["no answer within 1 s"]);
    for (env, tries) in [
        (vec![("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")], 1),
        (vec![("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")], 8),
        (vec![("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7"), ("AIP_MAX_RETRIES", "2")], 3),
    ] {
        let server = with_model(listing(&[]), |_, _| Reply::Text(503, "", "busy".into()));
        fetch(&server, &env);
        let requests = server.requests();
        let asked = requests.iter().filter(|it| it.target.ends_with("/MLmodel")).count();
        assert_eq!(asked, tries, "{env:?}");
    }
    fetch(&silent, &[("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "many")])
        .failed(2, &["error: MLFLOW_HTTP_REQUEST_MAX_RETRIES is 'many', ", "hint: unset it"]);
}

#[test]
fn other_servers_are_told_apart() {
    let page = || Reply::Text(200, "text/html", "<html>Welcome".into());
    fetch(&Server::start(move |_| page()), &[RUN])
        .failed(1, &["an answer that is not MLflow's", "an MLflow tracking server?"]);
    let no_route = || Reply::Text(404, "text/html", "<html>no".into());
    let outcome = fetch(&Server::start(move |_| no_route()), &[RUN]);
    outcome.failed(4, &["tracking server?"]);
    assert!(!outcome.stderr.contains("<html>"));
    let other = || Reply::Json(200, json!({"run": 3}));
    fetch(&Server::start(move |_| other()), &[RUN]).failed(1, &["not MLflow's"]);
    let moved = || {
        Reply::Raw(b"HTTP/1.1 302 X\r\nLocation: https://u:secret@h/x?token=t\r\nContent-Length: 0\r\n\r\n".to_vec())
    };
    let outcome = fetch(&Server::start(move |_| moved()), &[RUN]);
    outcome.failed(1, &["redirects to https://h/x", "--tracking-uri"]);
    fetch_in(tempfile::tempdir().unwrap(), "http://127.0.0.1:1", &[RUN], &[])
        .failed(5, &["hint: is an MLflow server running at 'http://127.0.0.1:1'? --tracking-uri"]);
}

#[test]
fn refusals_say_what_to_set() {
    let answer = |status, kind, body: &'static str| {
        Server::start(move |_| Reply::Text(status, kind, body.into()))
    };
    let login = answer(401, "text/html", "<html>You are not authenticated");
    fetch(&login, &[RUN]).failed(4, &["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN"]);
    let host =
        answer(403, "text/plain", "Invalid Host header - possible DNS rebinding attack detected");
    fetch(&host, &[RUN]).failed(4, &["--allowed-hosts '127.0.0.1:"]);
    let named = fetch(&host, &[RUN, "--header", "Host: mlflow.test"]);
    named.failed(4, &["--allowed-hosts 'mlflow.test', or"]);
    let broken = answer(500, "text/html", "<html>Internal");
    fetch(&broken, &[RUN]).failed(5, &[": 500"]);
    let alone = answer(500, "", r#"{"error_code": "FEATURE_DISABLED", "message": "no"}"#);
    let env = [("MLFLOW_WORKSPACE", "team-a")];
    fetch_in(tempfile::tempdir().unwrap(), &alone.url, &[RUN], &env)
        .failed(4, &["hint: unset MLFLOW_WORKSPACE"]);
    assert_eq!(alone.requests().len(), 1, "it will not pass");
    let other = fetch(&alone, &[RUN]);
    other.failed(4, &["500 FEATURE_DISABLED: no"]);
    assert!(!other.stderr.contains("WORKSPACE"), "{}", other.stderr);
    let later = Server::start(|_| {
        Reply::Raw(b"HTTP/1.1 429 No\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n".into())
    });
    fetch(&later, &[RUN]).failed(5, &[": 429, and asks for a wait of 3600 s"]);
    assert_eq!(later.requests().len(), 1, "an hour is too long to wait for");
    let missing = answer(404, "", r#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}"#);
    fetch(&missing, &[RUN]).failed(4, &["does not exist at 'http://127.0.0.1:"]);
    assert!(!fetch(&missing, &[RUN]).stderr.contains("MLFLOW_WORKSPACE"));
    let env = [("MLFLOW_WORKSPACE", "team-a")];
    fetch_in(tempfile::tempdir().unwrap(), &missing.url, &[RUN], &env)
        .failed(4, &["it was logged to; MLFLOW_WORKSPACE names the workspace\n"]);
    let several = Server::start(|request| {
        if request.target == "/api/3.0/mlflow/server-info" {
            return Reply::Json(200, json!({"workspaces_enabled": true}));
        }
        Reply::Json(404, json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}))
    });
    fetch(&several, &[RUN]).failed(4, &["; MLFLOW_WORKSPACE names the workspace\n"]);
}

#[test]
fn what_is_not_on_this_machine_is_a_wrong_command() {
    let wrong = |store: &str, model: &str, said: &str| {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        fetch_in(directory, store, &[model], &[]).failed(2, &[said]);
    };
    wrong("sqlite:///no.db", "modle", "there is no directory 'modle'");
    wrong("sqlite:///no.db", "./file", "/file' is a file, not a model's directory");
    wrong("sqlite:///no.db", RUN, "there is no database at '");
    wrong("./nowhere", RUN, "there is no store at '");
}

#[test]
fn a_server_without_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let outcome = fetch_in(tempfile::tempdir().unwrap(), &url, &[RUN], &[]);
    outcome
        .failed(5, &[&format!("hint: does '{url}' speak plain HTTP? then write it with http://")]);
}

#[test]
fn a_login_is_never_shown_nor_sent_in_clear_text() {
    let server = serving(listing(&[]), "");
    let url = server.url.replace("//", "//ana:s3cret@");
    let outcome = fetch_in(tempfile::tempdir().unwrap(), &url, &["-vv", RUN], &[]);
    outcome.fetch();
    let token = [("MLFLOW_TRACKING_TOKEN", "s3cret-token")];
    let other = fetch_in(tempfile::tempdir().unwrap(), &server.url, &["-vv", RUN], &token);
    other.fetch();
    assert_eq!(server.requests().last().unwrap().headers["authorization"], "Bearer s3cret-token");
    for text in [&outcome.stdout, &outcome.stderr, &other.stdout, &other.stderr] {
        assert!(!text.contains("s3cret") && !text.contains("Basic "), "{text}");
    }
    let far = "http://ana:s3cret@192.0.2.1:5000";
    let outcome = fetch_in(tempfile::tempdir().unwrap(), far, &[RUN], &[]);
    outcome.failed(2, &["'http://192.0.2.1:5000' in clear text", "--allow-http-credentials"]);
    assert!(!outcome.stderr.contains("s3cret"));
}

#[test]
fn what_is_no_model_is_not_downloaded() {
    let mlmodel = |text: &'static str| {
        with_model(json!([file("model/MLmodel", text.len())]), move |_, _| {
            Reply::Text(200, "text/plain", text.into())
        })
    };
    fetch(&mlmodel("flavors: ["), &[RUN]).failed(1, &["MLmodel is unusable: "]);
    fetch(&mlmodel("flavors: {r: {}}"), &[RUN])
        .failed(1, &["no python_function flavor", "its flavors: r"]);
    let none = with_model(json!([file("model/x", 1)]), |_, _| Reply::Silence);
    fetch(&none, &[RUN]).failed(4, &["there is no MLmodel in 'runs:/", "it holds 'x'"]);
}

#[test]
fn nobody_elses_output_is_touched() {
    let server = serving(listing(&[]), "");
    let directory = tempfile::tempdir().unwrap();
    let mine = directory.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("thesis.tex"), "years").unwrap();
    std::os::unix::fs::symlink(&mine, directory.path().join("link")).unwrap();
    let outcome = fetch_in(directory, &server.url, &[RUN, "--output", "mine"], &[]);
    outcome.failed(2, &["was not put there by mlf-fetch"]);
    let outcome = fetch_in(outcome.directory, &server.url, &[RUN, "--output", "link"], &[]);
    outcome.failed(2, &["is not a directory"]);
    assert_eq!(std::fs::read_to_string(mine.join("thesis.tex")).unwrap(), "years");
}

#[test]
fn a_command_that_asks_for_nothing_says_how_to_ask() {
    let nowhere = |args: &[&str]| {
        fetch_in(tempfile::tempdir().unwrap(), "", args, &[("MLFLOW_TRACKING_URI", "")])
    };
    nowhere(&[]).failed(2, &["no model uri is set", "--model-uri", "spec.modelUri", "run_id"]);
    nowhere(&["--model-uri", RUN]).failed(2, &["no tracking uri is set", "--tracking-uri"]);
    nowhere(&["cache"]).failed(2, &["a command is missing", "Usage: mlf-fetch cache"]);
    nowhere(&["modle"]).failed(2, &["there is no directory 'modle'", "runs:/RUN_ID/PATH"]);
    nowhere(&["runs:/x/../y"]).failed(2, &["'.' or '..' component"]);
    nowhere(&[RUN, "--tracking-uri", "sqlite:///mlflow.db"])
        .failed(2, &["there is no database at '", "sqlite:///mlflow.db is in this directory"]);
    nowhere(&[RUN, "--tracking-uri", "postgresql://u:s3cret@db/mlflow"])
        .failed(2, &["mlflow server --backend-store-uri 'postgresql://db/mlflow'"]);
    nowhere(&[RUN, "--tracking-uri", "databricks"]).failed(2, &["Databricks"]);
}
