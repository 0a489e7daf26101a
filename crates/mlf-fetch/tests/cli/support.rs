//! A tracking server that answers as a test tells it, and the tool run against it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const RUN: &str = "0123456789abcdef0123456789abcdef";

pub(crate) const MLMODEL: &str = "\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
mlflow_version: 3.17.2
signature: {inputs: '[{\"type\": \"double\", \"name\": \"x\"}]'}
";

/// A request: its target as it came, and its headers in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    /// Whether it asks if content is what it was.
    pub(crate) fn only_looks(&self) -> bool {
        self.headers.contains_key("if-none-match")
    }
}

pub(crate) enum Reply {
    /// A whole answer: status and body.
    Json(u16, Value),
    Text(u16, &'static str, String),
    /// Bytes as they are; then the connection is closed.
    Raw(Vec<u8>),
    /// Nothing, for longer than anybody waits.
    Silence,
}

pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen) = (Arc::new(handler), requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, seen) = (handler.clone(), seen.clone());
                std::thread::spawn(move || answer(stream, handler.as_ref(), &seen));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    handler: &(dyn Fn(&Request) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Request>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    reader.take(length).read_to_end(&mut Vec::new()).unwrap();
    let request = Request { target, headers };
    seen.lock().unwrap().push(request.clone());
    let bytes = match handler(&request) {
        Reply::Json(status, body) => whole(status, "application/json", body.to_string().as_bytes()),
        Reply::Text(status, kind, body) => whole(status, kind, body.as_bytes()),
        Reply::Raw(bytes) => bytes,
        Reply::Silence => return std::thread::sleep(Duration::from_secs(60)),
    };
    // A client that has seen enough hangs up.
    let _ = stream.write_all(&bytes);
}

pub(crate) fn whole(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status} X\r\nServer: uvicorn\r\nContent-Type: {kind}\r\n\
         ETag: \"v1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A server with one run, whose directory `model` lists as `listing` says; file
/// contents come from `content`.
pub(crate) fn with_model(
    listing: Value,
    content: impl Fn(&str, &Request) -> Reply + Send + Sync + 'static,
) -> Server {
    Server::start(move |request| {
        let files = format!("/api/2.0/mlflow-artifacts/artifacts/1/{RUN}/artifacts/model/");
        if let Some(name) = request.target.strip_prefix(&files) {
            return content(name, request);
        }
        match request.target.split('?').next().unwrap() {
            "/api/2.0/mlflow/runs/get" => {
                Reply::Json(200, run(&json!([{"artifact_path": "model"}])))
            }
            "/api/2.0/mlflow/artifacts/list" => Reply::Json(200, json!({"files": listing})),
            _ => {
                Reply::Text(404, "text/html", "<!doctype html><title>404 Not Found</title>".into())
            }
        }
    })
}

pub(crate) fn run(history: &Value) -> Value {
    json!({"run": {
        "info": {"run_id": RUN, "experiment_id": "1", "lifecycle_stage": "active",
                 "artifact_uri": format!("mlflow-artifacts:/1/{RUN}/artifacts")},
        "data": {"tags": [{"key": "mlflow.log-model.history", "value": history.to_string()}]},
    }})
}

pub(crate) fn file(path: &str, size: usize) -> Value {
    json!({"path": path, "is_dir": false, "file_size": size})
}

/// A listing of MLmodel and whatever else.
pub(crate) fn listing(others: &[Value]) -> Value {
    let mut files = vec![file("model/MLmodel", MLMODEL.len())];
    files.extend_from_slice(others);
    json!(files)
}

/// What a run of the tool came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) directory: TempDir,
}

impl Outcome {
    pub(crate) fn fetch(&self) -> Value {
        assert_eq!(self.status, 0, "{}", self.stderr);
        serde_json::from_str::<Value>(&self.stdout).unwrap()["stages"]["fetch"].take()
    }

    /// It failed so, said this, wrote nothing, and left nothing behind, or what
    /// the next run goes on with where that may work.
    #[track_caller]
    pub(crate) fn failed(&self, status: i32, said: &[&str]) {
        assert_eq!((self.status, self.stdout.as_str()), (status, ""), "{}", self.stderr);
        for text in said {
            assert!(self.stderr.contains(text), "no '{text}' in:\n{}", self.stderr);
        }
        assert!(self.stderr.lines().all(|line| line.starts_with("mlf-fetch: ")), "{}", self.stderr);
        let models = self.directory.path().join("work/models");
        let names = models.read_dir().into_iter().flatten().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        let left: Vec<_> =
            names.filter(|name| status != 5 || !name.ends_with(".partial")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

pub(crate) fn fetch(server: &Server, args: &[&str]) -> Outcome {
    fetch_in(tempfile::tempdir().unwrap(), &server.url, args, &[])
}

/// Runs the tool in a directory, with nothing of this process's environment.
pub(crate) fn fetch_in(
    directory: TempDir,
    url: &str,
    args: &[&str],
    env: &[(&str, &str)],
) -> Outcome {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_mlf-fetch"))
        .args(args)
        .current_dir(directory.path())
        .env_clear()
        .envs([("AIP_TEST_NO_RETRY_DELAY", "1"), ("AIP_HTTP_TIMEOUT", "2"), ("tmp_dir", "work")])
        .env("MLFLOW_TRACKING_URI", url)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    Outcome {
        status: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
        directory,
    }
}
