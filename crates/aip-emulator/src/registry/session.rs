//! Uploads that have begun.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::blobs::Incoming;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: Mutex<HashMap<String, Session>>,
}

#[derive(Debug)]
struct Session {
    /// The repository that the blob is for
    name: String,
    /// What has come so far; none while a request adds to it, nor after one
    /// that broke off
    content: Option<Incoming>,
}

impl Sessions {
    pub(super) fn begin(&self, name: &str, content: Incoming) -> String {
        let id = content.id();
        let session = Session { name: name.to_owned(), content: Some(content) };
        self.lock().insert(id.clone(), session);
        id
    }

    pub(super) fn is_open(&self, name: &str, id: &str) -> bool {
        self.lock().get(id).is_some_and(|session| session.name == name)
    }

    pub(super) fn size(&self, id: &str) -> u64 {
        let all = self.lock();
        all.get(id).and_then(|session| session.content.as_ref()).map_or(0, Incoming::size)
    }

    pub(super) fn take_content(&self, id: &str) -> Option<Incoming> {
        self.lock().get_mut(id)?.content.take()
    }

    pub(super) fn put_content(&self, id: &str, content: Incoming) {
        if let Some(session) = self.lock().get_mut(id) {
            session.content = Some(content);
        }
    }

    pub(super) fn end(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
