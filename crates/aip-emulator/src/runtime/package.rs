//! Installing the user's packages as the service did.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::process::Command;

use super::environment::{self, Environments};
use super::process::{self, Failed};
use super::python::Interpreter;

/// What builds a package that has only a setup.py.
const BUILD_TOOLS: [&str; 3] = ["pip", "setuptools", "wheel"];

/// What the metadata of some packages says together.
#[derive(Debug, Deserialize)]
struct Metadata {
    /// None: only building them would tell
    requires: Option<Vec<String>>,
    legacy: Vec<PathBuf>,
    has_pip: bool,
}

/// A package that did not install.
#[derive(Debug)]
pub(crate) struct InstallError {
    /// Its file name
    pub package: String,
    pub cause: environment::Error,
}

/// Installs packages into `lib` and gives the interpreter to run them with.
///
/// The service resolved requirements into `lib` too, into a fresh container
/// every time. Here they come from the packages' metadata into an environment
/// that versions share, and `lib` holds the packages alone: seconds instead of
/// minutes. Only where the metadata does not say does pip resolve into `lib`.
pub(crate) async fn install(
    environments: &Environments,
    python: &Interpreter,
    packages: &[PathBuf],
    lib: &Path,
) -> Result<PathBuf, InstallError> {
    let metadata = metadata(python, packages).await?;
    let requires = metadata.requires.as_deref();
    let install = async {
        for package in packages {
            let is_legacy = metadata.legacy.contains(package);
            // A package that brings its own build system needs no more than
            // the pip that comes with Python.
            let pip = if metadata.has_pip && !is_legacy {
                Ok(python.path.clone())
            } else {
                environments.ensure(python, &BUILD_TOOLS.map(str::to_owned)).await
            };
            let mut command = Command::new(pip.map_err(|err| failed(package, err))?);
            command.args(arguments(package, lib, requires.is_some(), is_legacy));
            process::run(command).await.map_err(|err| failed(package, err.into()))?;
        }
        Ok(())
    };
    let runtime = runtime(environments, python, packages, requires);
    tokio::try_join!(runtime, install).map(|(runtime, ())| runtime)
}

/// The interpreter of a version that was installed before. Its environment is
/// a cache, which may have been emptied since.
pub(crate) async fn restore(
    environments: &Environments,
    python: &Interpreter,
    packages: &[PathBuf],
) -> Result<PathBuf, InstallError> {
    let metadata = metadata(python, packages).await?;
    runtime(environments, python, packages, metadata.requires.as_deref()).await
}

async fn runtime(
    environments: &Environments,
    python: &Interpreter,
    packages: &[PathBuf],
    requires: Option<&[String]>,
) -> Result<PathBuf, InstallError> {
    let made = environments.ensure(python, requires.unwrap_or_default()).await;
    made.map_err(|err| failed(first(packages), err))
}

fn first(packages: &[PathBuf]) -> &Path {
    packages.first().map_or(Path::new(""), PathBuf::as_path)
}

fn failed(package: &Path, cause: environment::Error) -> InstallError {
    let package = package.file_name().unwrap_or_default().to_string_lossy().into_owned();
    InstallError { package, cause }
}

fn arguments(package: &Path, lib: &Path, is_resolved: bool, is_legacy: bool) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["-I", "-m", "pip", "install", "--no-cache-dir", "--no-input"].map(str::to_owned).to_vec();
    arguments.push(format!("--target={}", lib.display()));
    if is_resolved {
        arguments.push("--no-deps".to_owned());
    }
    if is_legacy {
        // As when the service ran: setup.py uses the setuptools that is there.
        arguments.push("--no-build-isolation".to_owned());
    }
    arguments.push(package.display().to_string());
    arguments
}

async fn metadata(python: &Interpreter, packages: &[PathBuf]) -> Result<Metadata, InstallError> {
    let mut command = Command::new(&python.path);
    command.args(["-I", "-c", include_str!("requirements.py")]).args(packages);
    let read = process::run(command).await.and_then(|printed| {
        serde_json::from_slice(&printed).map_err(|err| Failed {
            program: "requirements.py".to_owned(),
            end: format!("printed what cannot be read: {err}"),
            output: String::from_utf8_lossy(&printed).into_owned(),
        })
    });
    read.map_err(|err| failed(first(packages), err.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source distribution with these lines of metadata.
    async fn read(lines: &str, requires_txt: &str) -> Result<Metadata, InstallError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p-1.tar");
        let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
        for (name, content) in [
            ("p-1/PKG-INFO", format!("Metadata-Version: 2.1\nName: p\n{lines}")),
            ("p-1/p.egg-info/requires.txt", requires_txt.to_owned()),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        tar.finish().unwrap();
        let path_to_python = super::super::python::on_path("python3").remove(0);
        let python = Interpreter { path: path_to_python, version: String::new() };
        metadata(&python, &[path]).await
    }

    #[tokio::test]
    async fn what_is_no_requirement_never_reaches_pip() {
        let good =
            ["numpy", "a.b-c_2 (>=1)", "x[y,z]>=1,<2; python_version>'3'", "u @ https://h/u"];
        let wanted = read("", &good.join("\n")).await.unwrap().requires.unwrap();
        assert_eq!(wanted, good);
        for bad in [
            "--index-url=http://127.0.0.1:1",
            "-r /etc/passwd",
            "-e.",
            "./here",
            "/etc",
            "https://host/p.tar.gz",
            "numpy --index-url=x",
        ] {
            for failed in [read("", bad).await, read(&format!("Requires-Dist: {bad}\n"), "").await]
            {
                let environment::Error::Failed(failed) = failed.unwrap_err().cause else {
                    panic!("{bad}");
                };
                assert!(
                    failed.output.ends_with(&format!("'{bad}' is not a requirement")),
                    "{failed:?}"
                );
            }
        }
    }
}
