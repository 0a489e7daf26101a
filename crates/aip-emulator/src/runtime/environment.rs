//! Python environments, one per interpreter and set of requirements.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::process::{self, Failed};
use super::python::{Interpreter, beside, on_path};
use crate::say::say;
use crate::state::Options;

/// Written last: an environment without it was interrupted in the making.
const MARKER: &str = "aip-emulator-environment.json";

/// How often to look whether another creator is done.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// Environments under one directory, each named by what it was made of, so
/// that versions with equal requirements share one, also between emulators.
#[derive(Debug)]
pub(crate) struct Environments {
    dir: PathBuf,
    uv: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("cannot keep a Python environment")]
    Io(#[from] io::Error),
}

/// uv, if there is one: it makes an environment many times faster than pip. A
/// wheel that brings this program along brings one too.
pub(crate) fn find_uv() -> Option<PathBuf> {
    let named = std::env::var_os("UV").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| beside("uv")).or_else(|| on_path("uv").into_iter().next())
}

/// The user's cache, so that environments are there again on the next run.
pub(crate) fn cache_dir(options: &Options) -> Option<PathBuf> {
    if options.cache_dir.is_some() {
        return options.cache_dir.clone();
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(cache.join("aip-emulator"))
}

impl Environments {
    pub(crate) fn new(dir: PathBuf, uv: Option<PathBuf>) -> Self {
        Self { dir, uv }
    }

    /// The interpreter of an environment that has these requirements and
    /// nothing else; made now if nobody did before.
    pub(crate) async fn ensure(
        &self,
        python: &Interpreter,
        requirements: &[String],
    ) -> Result<PathBuf, Error> {
        let key = self.key(python, requirements);
        let home = self.dir.join(&key);
        let (executable, marker) = (home.join("bin/python"), home.join(MARKER));
        // A file and a link: the environment is useless without its interpreter.
        let is_ready = || marker.exists() && executable.exists();
        if is_ready() {
            return Ok(executable);
        }
        std::fs::create_dir_all(&self.dir)?;
        let lock = lock(&self.dir.join(format!("{key}.lock"))).await?;
        if !is_ready() {
            if home.exists() {
                std::fs::remove_dir_all(&home)?;
            }
            self.build(python, requirements, &home).await?;
            let made_of = serde_json::json!({
                "python": python.version, "base": python.path, "requirements": requirements,
            });
            std::fs::write(&marker, made_of.to_string())?;
        }
        drop(lock);
        Ok(executable)
    }

    async fn build(
        &self,
        python: &Interpreter,
        requirements: &[String],
        home: &Path,
    ) -> Result<(), Error> {
        let count = requirements.len();
        say(&format!("making a Python {} environment, {count} requirements", python.version));
        let executable = home.join("bin/python");
        let (mut venv, mut install) = if let Some(uv) = &self.uv {
            let mut venv = Command::new(uv);
            venv.args(["venv", "--quiet", "--no-project", "--no-config", "--python"]);
            venv.arg(&python.path);
            let mut install = Command::new(uv);
            install.args(["pip", "install", "--quiet", "--python"]).arg(&executable);
            (venv, install)
        } else {
            let mut venv = Command::new(&python.path);
            venv.args(["-I", "-m", "venv"]);
            // Half of the time goes into pip, which only requirements need.
            venv.args(requirements.is_empty().then_some("--without-pip"));
            let mut install = Command::new(&executable);
            install.args(["-I", "-m", "pip", "install", "--quiet", "--no-input"]);
            (venv, install)
        };
        venv.arg(home);
        process::run(venv).await?;
        if !requirements.is_empty() {
            install.args(requirements);
            process::run(install).await?;
        }
        Ok(())
    }

    /// What an environment is made of, as a name.
    fn key(&self, python: &Interpreter, requirements: &[String]) -> String {
        let mut wanted: Vec<&str> = requirements.iter().map(|line| line.trim()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut hash = Sha256::new();
        hash.update(python.path.as_os_str().as_encoded_bytes());
        for part in [python.version.as_str(), if self.uv.is_some() { "uv" } else { "pip" }] {
            hash.update(format!("\0{part}"));
        }
        for requirement in wanted {
            hash.update(format!("\0{requirement}"));
        }
        hash.finalize().iter().take(16).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }
}

/// Waits for its turn without holding up anything else. The lock ends with
/// the file, so also when this process is killed.
async fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
            Err(TryLockError::Error(err)) => return Err(err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> Interpreter {
        Interpreter { path: on_path("python3").remove(0), version: "3.0.0".to_owned() }
    }

    #[test]
    fn the_order_of_requirements_makes_no_other_environment() {
        let all = Environments::new(PathBuf::new(), None);
        let key = |wanted: &[&str]| {
            all.key(&python(), &wanted.iter().map(|&line| line.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(key(&["a==1", "b"]), key(&["b", "a==1", "b"]));
        assert_ne!(key(&["a==1", "b"]), key(&["a==1"]));
        assert_ne!(key(&["ab"]), key(&["a", "b"]));
        assert_eq!(key(&[]).len(), 32);
    }

    #[tokio::test]
    async fn concurrent_creators_share_one_environment_and_a_torn_one_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let all = Environments::new(dir.path().to_owned(), None);
        let python = python();
        let torn = dir.path().join(all.key(&python, &[]));
        std::fs::create_dir_all(torn.join("lib/left-over")).unwrap();
        let (one, two) = tokio::join!(all.ensure(&python, &[]), all.ensure(&python, &[]));
        assert_eq!(one.unwrap(), two.unwrap());
        assert!(torn.join(MARKER).exists() && !torn.join("lib/left-over").exists());
    }

    #[tokio::test]
    async fn a_failed_environment_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let all = Environments::new(dir.path().to_owned(), Some(PathBuf::from("/bin/false")));
        assert!(matches!(all.ensure(&python(), &[]).await, Err(Error::Failed(_))));
        assert!(matches!(all.ensure(&python(), &[]).await, Err(Error::Failed(_))));
    }
}
