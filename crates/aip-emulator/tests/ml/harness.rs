//! An emulator of its own for a test, and what to deploy on it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::Request;

const PREDICTOR: &str = include_str!("predictor.py");

/// Builds the wheel without any tool from an index.
const BACKEND: &str = include_str!("backend.py");

const PYPROJECT: &str = r#"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"#;

pub(crate) struct Emulator {
    child: Child,
    pub(crate) url: String,
    python: String,
}

impl Emulator {
    pub(crate) fn start(dir: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aip-emulator"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir)
            .args(options)
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let python = Command::new("python3")
            .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
            .output()
            .unwrap();
        let python = String::from_utf8(python.stdout).unwrap().trim().to_owned();
        Self { child, url: ready["url"].as_str().unwrap().to_owned(), python }
    }

    /// One with a model 'iris', and in its bucket what a version needs.
    pub(crate) fn with_model() -> (Self, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let emulator = Self::start(dir.path(), &[]);
        emulator.prepare();
        (emulator, dir)
    }

    pub(crate) fn prepare(&self) {
        self.post("/storage/v1/b?project=p", &json!({ "name": "bucket" }));
        self.upload("route/model/factor.txt", b"3");
        self.upload("route/package-1.tar.gz", &sdist());
        let (status, model) = self.post("/v1/projects/p/models", &json!({ "name": "iris" }));
        assert_eq!(status, 200, "{model}");
    }

    pub(crate) fn upload(&self, name: &str, content: &[u8]) {
        let name = name.replace('/', "%2F");
        let path = format!("/upload/storage/v1/b/bucket/o?uploadType=media&name={name}");
        let (status, body) = self.send("POST", &path, content);
        assert_eq!(status, 200, "{body}");
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let (status, body) = self.raw(method, path, body);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The answer as it came over the wire.
    pub(crate) fn raw(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(120)))
            .build()
            .into();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let mut answer = agent.run(request).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, body.to_string().as_bytes())
    }

    /// The body of a create request for a version that works.
    pub(crate) fn version(&self, name: &str) -> Value {
        json!({
            "name": name,
            "deploymentUri": "gs://bucket/route/model/",
            "packageUris": ["gs://bucket/route/package-1.tar.gz"],
            "predictionClass": "predictor.Predictor",
            "runtimeVersion": "2.3",
            "pythonVersion": self.python,
        })
    }

    /// Creates a version and waits for the operation's end.
    pub(crate) fn deploy(&self, version: &Value) -> Value {
        let (status, operation) = self.post("/v1/projects/p/models/iris/versions", version);
        assert_eq!(status, 200, "{operation}");
        self.wait(&operation)
    }

    pub(crate) fn wait(&self, operation: &Value) -> Value {
        let path = format!("/v1/{}", operation["name"].as_str().unwrap());
        let start = Instant::now();
        loop {
            let (status, operation) = self.get(&path);
            assert_eq!(status, 200, "{operation}");
            if operation["done"] == true {
                return operation;
            }
            assert!(start.elapsed() < Duration::from_secs(120), "{operation}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub(crate) fn predict(&self, version: &str, body: &Value) -> (u16, Value) {
        self.post(&format!("/v1/projects/p/models/iris/versions/{version}:predict"), body)
    }

    /// As `kill -9` does it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As a supervisor does it; waits for the end.
    pub(crate) fn terminate(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a refusal says.
pub(crate) fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_default()
}

/// A source distribution of the predictor.
fn sdist() -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let metadata = "Metadata-Version: 2.2\nName: package\nVersion: 1\n";
    for (name, content) in [
        ("PKG-INFO", metadata),
        ("pyproject.toml", PYPROJECT),
        ("backend.py", BACKEND),
        ("predictor.py", PREDICTOR),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Wheels are zip files, whose time starts in 1980.
        header.set_mtime(1_000_000_000);
        tar.append_data(&mut header, format!("package-1/{name}"), content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}
