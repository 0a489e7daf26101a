//! Servers that lack a route, and servers that have a better one.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{
    MLMODEL, RUN, Reply, Request, Server, fetch, fetch_in, file, listing, run, whole,
};

const LARGE: usize = 9 << 20;

/// The run and its listing; everything else is `other`'s.
fn server(
    root: &'static str,
    size: usize,
    other: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Server {
    Server::start(move |request| match request.target.split('?').next().unwrap_or_default() {
        "/api/2.0/mlflow/runs/get" => {
            let mut run = run(&json!([{"artifact_path": "model"}]));
            run["run"]["info"]["artifact_uri"] = json!(root);
            Reply::Json(200, run)
        }
        "/api/2.0/mlflow/artifacts/list" => {
            Reply::Json(200, json!({"files": listing(&[file("model/x", size)])}))
        }
        _ => other(request),
    })
}

fn content(target: &str) -> &'static [u8] {
    if target.ends_with("MLmodel") { MLMODEL.as_bytes() } else { b"0123456789" }
}

#[test]
fn a_route_that_is_missing_is_no_missing_file() {
    for status in [404, 503] {
        let proxied = "mlflow-artifacts:/1/r/artifacts";
        let server = server(proxied, 10, move |request| {
            if request.target.starts_with("/get-artifact?run_uuid=") {
                return Reply::Raw(whole(200, "", content(&request.target)));
            }
            Reply::Text(status, "text/html", "<!doctype html>".into())
        });
        fetch(&server, &[RUN]).fetch();
    }
}

#[test]
fn roots_that_nobody_can_read_from_here_are_read_by_the_server() {
    for root in ["s3://b/1", "wasbs://c@a/1", "abfss://c@a/1", "dbfs:/1", "hdfs://h/1", "/no/1"] {
        let server = server(root, 10, |request| {
            if request.target.starts_with("/get-artifact?run_uuid=") {
                return Reply::Raw(whole(200, "", content(&request.target)));
            }
            Reply::Text(404, "text/html", "<!doctype html>".into())
        });
        let record = fetch(&server, &[RUN]).fetch();
        assert_eq!(record["notes"]["readFrom"], "the tracking server", "{root}");
    }
}

/// A store that sends at most a part of what is asked for, and no more than one
/// byte to who shows a login.
fn store() -> Server {
    Server::start(|request| {
        if request.headers.contains_key("authorization") || request.headers["x-want"] != "yes" {
            return Reply::Text(403, "", "no".into());
        }
        let range = request.headers.get("range").map(|range| range.trim_start_matches("bytes="));
        let first = range.map_or("0", |range| range.split('-').next().unwrap_or_default());
        let first: usize = first.parse().unwrap_or_default();
        let status = if range.is_some() { 206 } else { 200 };
        let mut bytes = format!(
            "HTTP/1.1 {status} X\r\nETag: \"s\"\r\nContent-Range: bytes {first}-{}/{LARGE}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            LARGE - 1,
            LARGE - first
        )
        .into_bytes();
        bytes.resize(bytes.len() + (LARGE - first).min(4 << 20), b'x');
        Reply::Raw(bytes)
    })
}

fn offering(root: &'static str, url: String, size: usize) -> (Server, &'static AtomicUsize) {
    let asked: &'static AtomicUsize = Box::leak(Box::default());
    let server = server(root, size, move |request| {
        let made = |name: &str| {
            asked.fetch_add(1, Ordering::SeqCst);
            let url = format!("{url}/x?signature={}", asked.load(Ordering::SeqCst));
            Reply::Json(200, json!({(name): url, "headers": {"X-Want": "yes"}, "file_size": size}))
        };
        match request.target.as_str() {
            // Of its own store; it makes URLs for others all the same.
            "/api/3.0/mlflow/server-info" => {
                let own = root.starts_with("mlflow-artifacts");
                Reply::Json(200, json!({"multipart_downloads_enabled": own}))
            }
            "/api/2.0/mlflow/artifacts/presigned-download-url" => made("presigned_url"),
            target if target.contains("/mlflow-artifacts/presigned/") => made("url"),
            target if target.ends_with("MLmodel") => Reply::Raw(whole(200, "", MLMODEL.as_bytes())),
            _ => Reply::Raw(whole(200, "", &vec![b'y'; LARGE])),
        }
    });
    (server, asked)
}

#[test]
fn large_files_come_from_the_store_itself_where_the_server_makes_urls() {
    for root in ["mlflow-artifacts:/1/r/artifacts", "s3://b/1"] {
        let store = store();
        let (server, asked) = offering(root, store.url.clone(), LARGE);
        let login = [("MLFLOW_TRACKING_TOKEN", "s3cret")];
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let outcome = fetch_in(directory, &server.url, &[RUN, "-vv"], &login);
        outcome.fetch();
        assert_eq!(asked.load(Ordering::SeqCst), 3, "a new one each time it broke off");
        let ranges: Vec<_> =
            store.requests().iter().filter_map(|it| it.headers.get("range").cloned()).collect();
        assert_eq!(ranges, ["bytes=4194304-", "bytes=8388608-"]);
        assert!(!outcome.stderr.contains("signature"), "{}", outcome.stderr);
    }
}

#[test]
fn a_store_out_of_reach_leaves_it_to_the_server() {
    let (server, asked) = offering("s3://b/1", "http://127.0.0.1:1".into(), LARGE);
    let outcome = fetch(&server, &[RUN]);
    outcome.fetch();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let said = "the files do not come by URLs of the store: GET http://127.0.0.1:1/x";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
}

#[test]
fn one_broken_connection_is_no_reason_to_leave_the_store() {
    let tries = AtomicUsize::new(0);
    let store = Server::start(move |_| {
        if tries.fetch_add(1, Ordering::SeqCst) == 0 {
            return Reply::Raw(Vec::new());
        }
        Reply::Raw(whole(200, "", &vec![b'x'; LARGE]))
    });
    let (server, asked) = offering("s3://b/1", store.url.clone(), LARGE);
    fetch(&server, &[RUN]).fetch();
    assert_eq!((asked.load(Ordering::SeqCst), store.requests().len()), (1, 2));
}

const VAST: usize = (40 << 20) + 3;

/// Every byte tells where it is, and in which version.
fn vast(range: std::ops::Range<usize>, version: usize) -> Vec<u8> {
    range.map(|at| u8::try_from((at / 4096 + at + version) % 251).unwrap()).collect()
}

/// A store with a vast file, in the version that is `now` where a range begins.
fn vast_store(now: impl Fn(usize) -> usize + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let range = request.headers.get("range").map(|range| &range[6..]);
        let (first, last) = range.map_or(("0", ""), |range| range.split_once('-').unwrap());
        let first: usize = first.parse().unwrap();
        let end = last.parse().map_or(VAST, |last: usize| last + 1);
        let version = now(first);
        let status = if range.is_some() { 206 } else { 200 };
        let mut bytes = format!(
            "HTTP/1.1 {status} X\r\nETag: \"{version}\"\r\nContent-Length: {}\r\n\
             Content-Range: bytes {first}-{}/{VAST}\r\nConnection: close\r\n\r\n",
            end - first,
            end - 1
        )
        .into_bytes();
        bytes.extend(vast(first..end, version));
        Reply::Raw(bytes)
    })
}

#[track_caller]
fn came(store: &Server, version: usize) {
    let (server, _) = offering("s3://b/1", store.url.clone(), VAST);
    let outcome = fetch(&server, &[RUN, "--no-cache"]);
    let directory = outcome.fetch()["directory"].as_str().unwrap().to_owned();
    assert!(std::fs::read(Path::new(&directory).join("x")).unwrap() == vast(0..VAST, version));
}

#[test]
fn a_vast_file_comes_over_several_connections() {
    // Of what lies ahead nothing is answered before eight have asked.
    let all = Barrier::new(8);
    let store = vast_store(move |first| {
        if (1..=16 << 20).contains(&first) {
            all.wait();
        }
        1
    });
    came(&store, 1);
    let ranges = store.requests();
    assert!(ranges.iter().all(|request| request.headers.contains_key("range")));
    assert_eq!(ranges.len(), 21);
}

#[test]
fn a_vast_file_that_changes_is_never_mixed() {
    let changed = AtomicBool::new(false);
    let store = vast_store(move |first| {
        let is_changed = changed.fetch_or(first == 10 << 20, Ordering::SeqCst);
        if is_changed || first == 10 << 20 { 2 } else { 1 }
    });
    came(&store, 2);
}
