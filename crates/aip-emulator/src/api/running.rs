//! The work behind operations, apart from the requests that asked for it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// The tasks behind operations that are not done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<String, AbortHandle>>>);

impl Running {
    /// Does an operation's work apart from the request that asked for it.
    pub(crate) fn spawn(&self, key: &str, work: impl Future<Output = ()> + Send + 'static) {
        let (running, own) = (self.clone(), key.to_owned());
        // Held until the handle is in, so that the task's own removal comes after.
        let mut tasks = self.lock();
        let task = tokio::spawn(async move {
            work.await;
            running.lock().remove(&own);
        });
        tasks.insert(key.to_owned(), task.abort_handle());
    }

    pub(crate) fn abort(&self, key: &str) {
        let task = self.lock().remove(key);
        if let Some(task) = task {
            task.abort();
        }
    }

    pub(crate) fn abort_all(&self) {
        for (_, task) in self.lock().drain() {
            task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
