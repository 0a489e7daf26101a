//! The worker of each version: one, started on demand.

use std::collections::HashMap;
use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::sync::Notify;

use super::{Ml, versions};
use crate::error::ApiError;
use crate::runtime::{Launch, StartError, Worker};
use crate::say::say;

/// Held while a worker starts, so that requests which come meanwhile wait for
/// it instead of starting another.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Worker>>>>;

/// By the directory of the version's copies, which no two versions share,
/// not even of the same name.
#[derive(Debug, Default)]
pub(super) struct Workers {
    slots: Mutex<HashMap<PathBuf, Slot>>,
    is_closed: AtomicBool,
    closing: Notify,
}

impl Workers {
    fn slot(&self, dir: &Path) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(dir.to_owned()).or_default())
    }

    pub(super) async fn put(&self, dir: &Path, worker: Arc<Worker>) {
        *self.slot(dir).lock().await = Some(worker);
    }

    /// The worker of a version; `launch` says how to start one.
    pub(super) async fn get(
        &self,
        dir: &Path,
        launch: impl Future<Output = Result<Launch, ApiError>>,
    ) -> Result<Arc<Worker>, ApiError> {
        let slot = self.slot(dir);
        let mut slot = slot.lock().await;
        if let Some(worker) = slot.as_ref() {
            return Ok(Arc::clone(worker));
        }
        let closing = self.closing.notified();
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(unavailable("The emulator is shutting down."));
        }
        // The slot is held meanwhile, and whoever stops the workers waits for it.
        let worker = tokio::select! {
            worker = async { Worker::start(&launch.await?).await.map_err(not_started) } => worker?,
            () = closing => return Err(unavailable("The emulator is shutting down.")),
        };
        Ok(Arc::clone(slot.insert(Arc::new(worker))))
    }

    /// Takes out a worker that no longer answers, if it is still this one.
    pub(super) async fn drop_broken(&self, dir: &Path, broken: &Arc<Worker>) {
        self.slot(dir).lock().await.take_if(|worker| Arc::ptr_eq(worker, broken));
    }

    pub(super) async fn forget(&self, dir: &Path) {
        let slot = self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(dir);
        if let Some(slot) = slot
            && let Some(worker) = slot.lock().await.take()
        {
            worker.stop().await;
        }
    }

    pub(super) async fn stop_all(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.closing.notify_waiters();
        let slots: Vec<PathBuf> =
            self.slots.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        futures_util::future::join_all(slots.iter().map(|dir| self.forget(dir))).await;
    }
}

fn unavailable(text: &str) -> ApiError {
    ApiError::new(503, "UNAVAILABLE", text)
}

fn not_started(err: StartError) -> ApiError {
    match err {
        StartError::Load(text) => unavailable(&format!("Error loading the model: {text}")),
        StartError::Io(err) => {
            say(&format!("cannot start a worker: {err}"));
            unavailable("The prediction server cannot be started.")
        }
    }
}

impl Ml {
    /// The worker of a version, started if need be.
    pub(super) async fn worker(
        &self,
        project: &str,
        m: &str,
        v: &str,
        dir: &Path,
    ) -> Result<Arc<Worker>, ApiError> {
        let launch = async {
            let launch = self.launch(project, m, v)?;
            if launch.python.exists() {
                return Ok(launch);
            }
            let python = self.restore(project, m, v).await?;
            Ok(Launch { python, ..launch })
        };
        self.0.workers.get(dir, launch).await
    }

    /// How to start the worker of a version that has its environment.
    pub(super) fn launch(&self, project: &str, m: &str, v: &str) -> Result<Launch, ApiError> {
        let (spec, dir, python) = self.0.catalog.read(|catalog| {
            let version = catalog.model(project, m)?.version(v)?;
            Ok::<_, ApiError>((version.spec.clone(), version.dir.clone(), version.runtime.clone()))
        })?;
        let mut env = vec![("GOOGLE_CLOUD_PROJECT", OsString::from(project))];
        if let Some(endpoint) = self.0.endpoint.get() {
            env.push(("STORAGE_EMULATOR_HOST", endpoint.into()));
        }
        // What the service gave its own server in the environment.
        let request = json!({ "version": {
            "name": versions::full_name(project, m, v),
            "prediction_class": spec.get("predictionClass"),
            "package_uris": spec.get("packageUris"),
        }});
        Ok(Launch {
            python: python.unwrap_or_default(),
            home: self.deployed(&dir),
            request,
            env,
            label: format!("{m}/{v}"),
        })
    }
}
