//! Bundles for Vertex AI with a uv that notes what it is asked.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not beside them")]
#![allow(dead_code, unreachable_pub, reason = "each test program has a part of it")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use oci::{Archive, ImageConfig, Layout, Platform};
use serde_json::Value;

use crate::scratch::{Outcome, Scratch};

/// Resolves to one package and installs it, with scripts that differ each time.
const UV: &str = r#"#!/bin/sh
[ "$1" = --version ] && { echo "uv 0.13.9"; exit; }
echo "$*" >>"LOG"
case "$1 $2" in
"pip compile")
    sleep 0.2
    echo '--index-url https://user:secret@h/simple'
    sed 's/$/ --hash=sha256:00/' requirements.in ;;
"pip install")
    mkdir -p site/a/__pycache__ site/a-1.dist-info site/bin
    echo 'import sys' >site/a/__init__.py
    echo "$$" >site/bin/a
    echo "$$" >site/a/__pycache__/a.pyc
    echo "$$" >site/a-1.dist-info/direct_url.json
    printf 'bin/a,sha256=%s,1\na/__init__.py,,\n' "$$" >site/a-1.dist-info/RECORD ;;
"python find") exit 1 ;;
esac
"#;

pub struct Vertex {
    pub scratch: Scratch,
}

impl Vertex {
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let this = Self { scratch };
        this.fake_uv(UV);
        base(&this.scratch.path("base"), "amd64", "3.11.9");
        this
    }

    pub fn fake_uv(&self, text: &str) {
        let path = self.scratch.path("uv");
        let log = self.scratch.path("uv.log");
        fs::write(&path, text.replace("LOG", &log.display().to_string())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn run(&self, args: &[&str]) -> Outcome {
        let uv = self.scratch.path("uv").display().to_string();
        let all = [&["--target", "vertex", "--base-image", "oci:base"], args].concat();
        self.scratch.run(&all, &[("UV", &uv)])
    }

    pub fn bundle(&self, args: &[&str]) -> Value {
        let outcome = self.run(args);
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
        document["stages"]["bundle"].clone()
    }

    pub fn refused(&self, args: &[&str], status: i32, message: &str) {
        let outcome = self.run(args);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (status, ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    }

    /// What uv was asked so far, by its first two words.
    pub fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.scratch.path("uv.log")).unwrap_or_default();
        let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        log.lines().map(words).collect()
    }
}

/// A base image: one file, and what official images say of their Python.
pub fn base(directory: &Path, architecture: &str, python: &str) {
    let layout = Layout::new(directory);
    let mut archive = Archive::default();
    archive.bytes("etc/os-release", "ID=test\n").unwrap();
    let layer = archive.layer(layout.blobs()).unwrap();
    let mut config = ImageConfig::new(&Platform::linux_amd64());
    config.architecture = architecture.into();
    config.config.env = Some(vec!["PATH=/bin".into(), format!("PYTHON_VERSION={python}")]);
    config.config.cmd = Some(vec!["python3".into()]);
    config.rootfs.diff_ids.push(layer.diff_id);
    layout.write(&config, vec![layer.descriptor], std::collections::BTreeMap::new(), None).unwrap();
}

pub fn directory(bundle: &Value) -> PathBuf {
    bundle["directory"].as_str().unwrap().into()
}
