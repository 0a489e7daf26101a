//! Finding an interpreter for a version's `pythonVersion`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tokio::process::Command;

use super::process;
use crate::say::say;

/// A Python that was seen to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter {
    pub path: PathBuf,
    /// All three numbers
    pub version: String,
}

/// The interpreters of this machine, looked for once per minor version.
#[derive(Debug)]
pub(crate) struct Interpreters {
    given: BTreeMap<String, PathBuf>,
    uv: Option<PathBuf>,
    found: Mutex<HashMap<String, Interpreter>>,
}

impl Interpreters {
    pub(crate) fn new(given: BTreeMap<String, PathBuf>, uv: Option<PathBuf>) -> Self {
        Self { given, uv, found: Mutex::default() }
    }

    /// An interpreter of exactly this minor version ("3.11").
    pub(crate) async fn find(&self, minor: &str) -> Option<Interpreter> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(minor).cloned();
        if known.as_ref().is_some_and(|python| python.path.exists()) {
            return known;
        }
        let found = self.look_for(minor).await?;
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(minor.to_owned(), found.clone());
        Some(found)
    }

    async fn look_for(&self, minor: &str) -> Option<Interpreter> {
        if let Some(given) = self.given.get(minor) {
            let python = probe(given, minor).await;
            if python.is_none() {
                say(&format!("'{}' is not a Python {minor}", given.display()));
            }
            return python;
        }
        let name = format!("python{minor}");
        for candidate in pyenv(minor).into_iter().chain(on_path(&name)).chain(beside(&name)) {
            if let Some(python) = probe(&candidate, minor).await {
                return Some(python);
            }
        }
        let mut command = Command::new(self.uv.as_ref()?);
        command.args(["python", "find", "--no-python-downloads", "--no-project", minor]);
        let printed = String::from_utf8(process::run(command).await.ok()?).ok()?;
        probe(Path::new(printed.trim()), minor).await
    }
}

/// The name of what a path leads to, if it is the Python that we want. A shim
/// of a version manager may be on the path without a Python behind it.
async fn probe(path: &Path, minor: &str) -> Option<Interpreter> {
    let mut command = Command::new(path);
    let print = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";
    command.args(["-I", "-c", print]);
    let printed = String::from_utf8(process::run(command).await.ok()?).ok()?;
    let (version, executable) = printed.trim().split_once('\n')?;
    let rest = version.strip_prefix(minor)?;
    rest.starts_with('.')
        .then(|| Interpreter { path: PathBuf::from(executable), version: version.to_owned() })
}

/// pyenv's installations of this minor version, newest patch first.
fn pyenv(minor: &str) -> Vec<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let Some(versions) = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok()) else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let patch = name.strip_prefix(minor)?.strip_prefix('.')?.parse().ok()?;
            Some((patch, entry.path().join("bin/python")))
        })
        .collect();
    found.sort_by_key(|(patch, _)| std::cmp::Reverse(*patch));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Everything of that name on PATH.
pub(crate) fn on_path(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(name)).filter(|file| file.is_file()).collect()
}

/// What lies where this program does: a virtual environment need not be on PATH.
pub(crate) fn beside(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(name);
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_given_interpreter_of_another_version_is_not_taken() {
        let python = on_path("python3").remove(0);
        let given = BTreeMap::from([("2.1".to_owned(), python)]);
        assert_eq!(Interpreters::new(given, None).find("2.1").await, None);
    }

    #[tokio::test]
    async fn a_shorter_minor_is_not_a_prefix_of_a_longer_one() {
        for python in on_path("python3") {
            if let Some(found) = probe(&python, "3").await {
                let (minor, _) = found.version.rsplit_once('.').unwrap();
                assert!(probe(&python, minor).await.is_some());
                assert_eq!(probe(&python, &found.version[..3]).await.is_some(), minor.len() == 3);
            }
        }
    }
}
