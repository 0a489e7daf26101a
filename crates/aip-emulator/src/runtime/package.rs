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
}

/// Packages that did not install.
#[derive(Debug)]
pub(crate) struct InstallError {
    /// The file name of the package
    pub package: String,
    /// The arguments of the command that failed, when it was pip
    pub command: Vec<String>,
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
    let error = |package: &Path, command: Vec<String>, cause: environment::Error| InstallError {
        package: package.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        command,
        cause,
    };
    let first = packages.first().map_or(Path::new(""), PathBuf::as_path);
    let metadata = metadata(python, packages).await.map_err(|e| error(first, Vec::new(), e))?;
    let requires = metadata.requires.as_deref();
    let runtime = environments
        .ensure(python, requires.unwrap_or_default())
        .await
        .map_err(|e| error(first, Vec::new(), e))?;
    for package in packages {
        let legacy = metadata.legacy.contains(package);
        let pip = installer(environments, python, legacy)
            .await
            .map_err(|e| error(package, Vec::new(), e))?;
        let arguments = arguments(package, lib, requires.is_some(), legacy);
        let mut command = Command::new(pip);
        command.args(&arguments);
        process::run(command).await.map_err(|e| error(package, arguments, e.into()))?;
    }
    Ok(runtime)
}

fn arguments(package: &Path, lib: &Path, resolved: bool, legacy: bool) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["-m", "pip", "install", "--no-cache-dir", "--no-input"].map(str::to_owned).to_vec();
    arguments.push(format!("--target={}", lib.display()));
    if resolved {
        arguments.push("--no-deps".to_owned());
    }
    if legacy {
        // As when the service ran: setup.py uses the setuptools that is there.
        arguments.push("--no-build-isolation".to_owned());
    }
    arguments.push(package.display().to_string());
    arguments
}

/// The interpreter whose pip installs packages. A package that brings its own
/// build system needs no more than the pip that comes with Python.
async fn installer(
    environments: &Environments,
    python: &Interpreter,
    legacy: bool,
) -> Result<PathBuf, environment::Error> {
    let mut command = Command::new(&python.path);
    command.args(["-m", "pip", "--version"]);
    if !legacy && process::run(command).await.is_ok() {
        return Ok(python.path.clone());
    }
    environments.ensure(python, &BUILD_TOOLS.map(str::to_owned)).await
}

async fn metadata(
    python: &Interpreter,
    packages: &[PathBuf],
) -> Result<Metadata, environment::Error> {
    let mut command = Command::new(&python.path);
    command.args(["-I", "-c", include_str!("requirements.py")]).args(packages);
    let printed = process::run(command).await?;
    let metadata = serde_json::from_slice(&printed).map_err(|err| Failed {
        program: "requirements.py".to_owned(),
        status: err.to_string(),
        output: String::from_utf8_lossy(&printed).into_owned(),
    })?;
    Ok(metadata)
}
