//! The work behind operations, apart from the requests that asked for it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::task::AbortHandle;

use super::Ml;
use super::catalog::Catalog;
use super::operation::Outcome;
use crate::error::ApiError;
use crate::say::say;

/// The tasks behind operations that are not done.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<String, AbortHandle>>);

impl Running {
    pub(super) fn abort(&self, key: &str) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        if let Some(task) = task {
            task.abort();
        }
    }

    pub(super) fn abort_all(&self) {
        for (_, task) in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            task.abort();
        }
    }
}

impl Ml {
    /// Does an operation's work apart from the request that asked for it.
    pub(super) fn spawn(
        &self,
        project: &str,
        id: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let key = format!("{project}/{id}");
        let ml = self.clone();
        // Held until the handle is in, so that the task's own removal comes after.
        let mut running = self.0.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        let task = tokio::spawn({
            let key = key.clone();
            async move {
                work.await;
                ml.0.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
        });
        running.insert(key, task.abort_handle());
    }

    /// Ends an operation with the change that it made, unless it was cancelled
    /// a moment before.
    pub(super) fn finish(
        &self,
        project: &str,
        id: &str,
        change: impl FnOnce(&mut Catalog) -> Result<Outcome, ApiError>,
    ) {
        let done = self.0.catalog.change(|catalog| {
            if catalog.operations(project).get(id).is_none_or(|one| one.outcome.is_some()) {
                return Ok(());
            }
            let outcome = change(catalog)?;
            if let Some(operation) = catalog.operations(project).get_mut(id) {
                operation.finish(outcome);
            }
            Ok(())
        });
        if let Err(err) = done {
            say(&format!("cannot finish the operation '{id}': {}", err.message()));
        }
    }
}
