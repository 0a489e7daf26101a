//! The servers of deployed models: one each, started on demand.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::server::{NotServing, Server};

/// Held while a server starts, so that requests which come meanwhile wait for
/// it instead of starting another.
type Slot = Arc<tokio::sync::Mutex<Option<Server>>>;

/// By the full name of the endpoint and the id of the deployed model.
#[derive(Debug, Default)]
pub(super) struct Serving(Mutex<HashMap<(String, String), Slot>>);

impl Serving {
    fn slot(&self, endpoint: &str, id: &str) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((endpoint.to_owned(), id.to_owned())).or_default())
    }

    pub(super) async fn put(&self, endpoint: &str, id: &str, server: Server) {
        *self.slot(endpoint, id).lock().await = Some(server);
    }

    /// The server of a deployed model; `start` gives one if there is none,
    /// as after a restart of the emulator.
    pub(super) async fn get(
        &self,
        endpoint: &str,
        id: &str,
        start: impl Future<Output = Result<Server, NotServing>>,
    ) -> Result<Server, NotServing> {
        let slot = self.slot(endpoint, id);
        let mut slot = slot.lock().await;
        match slot.as_ref() {
            Some(server) => Ok(server.clone()),
            None => Ok(slot.insert(start.await?).clone()),
        }
    }

    pub(super) async fn stop(&self, endpoint: &str, id: &str) {
        let key = (endpoint.to_owned(), id.to_owned());
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        if let Some(slot) = slot
            && let Some(server) = slot.lock().await.take()
        {
            server.stop().await;
        }
    }
}
