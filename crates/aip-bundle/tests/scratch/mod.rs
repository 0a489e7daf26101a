//! A directory with a model in it, for tests of the tool as a process.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not beside them")]
#![allow(dead_code, unreachable_pub, reason = "each test program has a part of it")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A directory with a model, and what the tool is run with.
pub struct Scratch {
    pub root: tempfile::TempDir,
    pub document: Value,
}

pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Scratch {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("MLmodel", "flavors: {}\n"),
            ("requirements.txt", "mlflow==3.17.2\n-c constraints.txt\nscikit-learn==1.9.1"),
            ("data/model.pkl", "pickle"),
        ];
        let document = json!({
            "apiVersion": "mlflow-aip/v1", "kind": "Deployment", "spec": {"later": {"é": [null]}},
            "stages": {"fetch": {
                "modelUri": "models:/iris/3", "directory": root.path().join("model"), "digest": "",
                "files": [], "flavors": {"python_function": {}, "sklearn": {}},
                "lineage": {"registeredModel": "iris", "registeredVersion": "3"},
                "pythonVersion": "3.11.7", "environmentVariables": ["KEY"]
            }},
            "results": []
        });
        let mut scratch = Self { root, document };
        scratch.set_model(&files);
        scratch
    }

    /// The model's files, here and in the document.
    pub fn set_model(&mut self, files: &[(&str, &str)]) {
        let mut listed = Vec::new();
        for (path, text) in files {
            let full = self.path("model").join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, text).unwrap();
            let sha256 = checksum::Digest::of_bytes(text.as_bytes()).sha256;
            listed.push(json!({"path": path, "size": text.len(), "sha256": sha256, "crc32c": ""}));
        }
        self.document["stages"]["fetch"]["files"] = json!(listed);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn run(&self, args: &[&str], env: &[(&str, &str)]) -> Outcome {
        self.run_as(Path::new(env!("CARGO_BIN_EXE_aip-bundle")), args, env)
    }

    pub fn run_as(&self, program: &Path, args: &[&str], env: &[(&str, &str)]) -> Outcome {
        let mut child = Command::new(program)
            .args(args)
            .current_dir(self.root.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("tmp_dir", self.path("kept"))
            .env("AIP_TARGET", "ai-platform")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may refuse its arguments before it reads.
        let _ = child.stdin.take().unwrap().write_all(self.document.to_string().as_bytes());
        let output = child.wait_with_output().unwrap();
        Outcome {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr)
                .unwrap()
                .replace(&self.root.path().display().to_string(), "[ROOT]"),
        }
    }

    pub fn bundle(&self, args: &[&str], env: &[(&str, &str)]) -> Value {
        let outcome = self.run(args, env);
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    pub fn refused(&self, args: &[&str], status: i32, message: &str) {
        let outcome = self.run(args, &[]);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (status, ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    }
}

/// Every file below a directory with its mode and content, sorted.
pub fn content(directory: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            let relative = path.strip_prefix(directory).unwrap().to_owned();
            if path.is_dir() {
                found.push((relative, mode, Vec::new()));
                directories.push(path);
            } else {
                found.push((relative, mode, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
