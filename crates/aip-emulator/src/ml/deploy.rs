//! What versions.create does after it has answered.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::catalog::State;
use super::operation::with_type;
use super::snapshot::{Item, copy};
use super::{Ml, versions};
use crate::api::outcome::{FAILED_PRECONDITION, Outcome};
use crate::api::stamp::now;
use crate::error::ApiError;
use crate::runtime::{
    EnvironmentError, InstallError, Interpreter, StartError, Worker, install, restore, unexpected,
};
use crate::say::say;
use crate::storage::Store;

/// One version on its way.
pub(super) struct Deployment {
    pub ml: Ml,
    pub store: Store,
    pub project: String,
    pub model: String,
    pub version: String,
    pub operation: String,
    /// Below the directory of deployed versions
    pub dir: PathBuf,
    pub files: Vec<Item>,
    pub python: Interpreter,
}

impl Deployment {
    /// Ends as the service did: with a version that answers, or with one that
    /// is FAILED and says why.
    pub(super) async fn run(self) {
        let started = now();
        self.ml.0.catalog.touch(|catalog| {
            if let Some(operation) = catalog.operations(&self.project).get_mut(&self.operation) {
                operation.metadata["startTime"] = started.into();
            }
        });
        match self.deploy().await {
            Ok((runtime, worker)) => self.succeed(runtime, worker).await,
            Err(detail) => self.fail(&detail).await,
        }
    }

    /// Gives the interpreter and the loaded model, or the reason in the
    /// service's words.
    async fn deploy(&self) -> Result<(PathBuf, Worker), String> {
        let home = self.ml.deployed(&self.dir);
        let files: Vec<PathBuf> = self.files.iter().map(|item| home.join(&item.to)).collect();
        self.take_snapshot(&home).await?;
        let packages: Vec<PathBuf> =
            files.into_iter().filter(|file| file.starts_with(home.join("packages"))).collect();
        let environments = &self.ml.0.environments;
        let runtime = install(environments, &self.python, &packages, &home.join("lib"))
            .await
            .map_err(|err| not_installed(&format!("{}/{}", self.model, self.version), &err))?;
        self.ml.set_runtime(&self.project, &self.model, &self.version, &runtime);
        let launch = self.ml.launch(&self.project, &self.model, &self.version);
        let launch = launch.map_err(|err| err.message().to_owned())?;
        match Worker::start(&launch).await {
            Ok(worker) => Ok((runtime, worker)),
            Err(StartError::Load(text)) => Err(text),
            Err(StartError::Io(err)) => Err(unexpected(&format!("cannot start Python: {err}"))),
        }
    }

    async fn take_snapshot(&self, home: &Path) -> Result<(), String> {
        let store = self.store.clone();
        let items: Vec<Item> = self.files.clone();
        let home = home.to_owned();
        let copied = tokio::task::spawn_blocking(move || copy(&store, &items, &home)).await;
        copied
            .map_err(|err| err.to_string())
            .and_then(|copied| copied.map_err(|err| err.to_string()))
            .map_err(|err| unexpected(&format!("cannot copy the model's files: {err}")))
    }

    async fn succeed(&self, runtime: PathBuf, worker: Worker) {
        self.ml.0.workers.put(&self.dir, Arc::new(worker)).await;
        say(&format!("{}/{}: ready ({})", self.model, self.version, runtime.display()));
        self.ml.finish(&self.project, &self.operation, |catalog| {
            let model = catalog.model_mut(&self.project, &self.model)?;
            // The first version that works is the model's default.
            model.default_version.get_or_insert_with(|| self.version.clone());
            model.version_mut(&self.version)?.state = State::Ready;
            let shown = versions::show(model, &self.project, &self.model, &self.version);
            Ok(Outcome::Response(with_type("Version", shown)))
        });
    }

    async fn fail(&self, detail: &str) {
        // Two blanks: clients that look for the text look for the service's.
        let message =
            format!("Create Version failed. Bad model detected with error:  \"{detail}\"");
        say(&format!("{}/{}: {message}", self.model, self.version));
        self.ml.discard(&self.dir).await;
        self.ml.finish(&self.project, &self.operation, |catalog| {
            let version =
                catalog.model_mut(&self.project, &self.model)?.version_mut(&self.version)?;
            version.state = State::Failed;
            version.error_message = Some(message.clone());
            Ok(Outcome::Error { code: FAILED_PRECONDITION, message })
        });
    }
}

/// What pip said is for whoever watches the emulator; the client is told what
/// the service told, down to the command that it ran.
fn not_installed(version: &str, err: &InstallError) -> String {
    let subject = format!("{version}: {}", err.package);
    match &err.cause {
        EnvironmentError::Failed(failed) => failed.show(&subject),
        EnvironmentError::Io(cause) => say(&format!("{subject}: {cause}")),
    }
    format!(
        "Failed to load model: User-provided package {package} failed to install: Command \
         '['python-default', '-m', 'pip', 'install', '--target=/tmp/custom_lib', \
         '--no-cache-dir', '-b', '/tmp/pip_builds', '/tmp/custom_code/{package}']' returned \
         non-zero exit status 1 (Error code: 0)",
        package = err.package
    )
}

impl Ml {
    /// Makes the environment of a deployed version again, after somebody
    /// emptied the cache.
    pub(super) async fn restore(&self, p: &str, m: &str, v: &str) -> Result<PathBuf, ApiError> {
        let (dir, minor) = self.0.catalog.read(|catalog| {
            let version = catalog.model(p, m)?.version(v)?;
            let minor = version.spec.get("pythonVersion").and_then(Value::as_str);
            Ok::<_, ApiError>((version.dir.clone(), minor.unwrap_or_default().to_owned()))
        })?;
        let unavailable = |text: String| ApiError::new(503, "UNAVAILABLE", text);
        let python = self.0.interpreters.find(&minor).await;
        let python = python.ok_or_else(|| unavailable(format!("Python {minor} is gone.")))?;
        let packages = packages_in(&self.deployed(&dir).join("packages"));
        let runtime = restore(&self.0.environments, &python, &packages).await;
        let runtime =
            runtime.map_err(|err| unavailable(not_installed(&format!("{m}/{v}"), &err)))?;
        self.set_runtime(p, m, v, &runtime);
        Ok(runtime)
    }

    fn set_runtime(&self, project: &str, m: &str, v: &str, runtime: &Path) {
        self.0.catalog.touch(|catalog| {
            let model = catalog.model_mut(project, m);
            if let Ok(version) = model.and_then(|model| model.version_mut(v)) {
                version.runtime = Some(runtime.to_owned());
            }
        });
    }

    /// The directory of a version's copies.
    pub(super) fn deployed(&self, dir: &Path) -> PathBuf {
        self.0.dir.join("deployed").join(dir)
    }

    /// Stops a version's worker and removes its copies.
    pub(super) async fn discard(&self, dir: &Path) {
        self.0.workers.forget(dir).await;
        let home = self.deployed(dir);
        if let Err(err) = tokio::fs::remove_dir_all(&home).await
            && err.kind() != std::io::ErrorKind::NotFound
        {
            say(&format!("cannot remove '{}': {err}", home.display()));
        }
    }
}

/// The packages in a version's copies: one directory each.
fn packages_in(dir: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries(dir).flat_map(|each| entries(&each.path())).map(|file| file.path()).collect()
}
