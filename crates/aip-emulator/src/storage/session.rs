//! What a resumable session has received so far.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempPath;
use tokio::sync::watch;

use super::checksum::Hasher;
use super::object::Object;
use super::range::QUANTUM;
use super::store::Store;
use super::upload::Draft;
use crate::error::ApiError;

/// How many sessions are remembered after their end, for clients that lost
/// the last answer.
const MAX_ENDED: usize = 1000;

/// The sessions by the id in their address.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    all: HashMap<String, Arc<Session>>,
    /// Those at their end, oldest first
    ended: VecDeque<String>,
}

pub(super) struct Session {
    pub(super) draft: Draft,
    pub(super) state: tokio::sync::Mutex<State>,
    /// Counts requests: a newer one ends the wait of an older one, whose
    /// client has given it up
    pub(super) requests: watch::Sender<u64>,
}

pub(super) enum State {
    Open(Partial),
    Done(Arc<Object>),
    Gone,
}

/// The part of the content that is safe. What a request writes beyond it is
/// cut off by the next one, so a request may end at any point.
pub(super) struct Partial {
    pub(super) path: TempPath,
    pub(super) persisted: u64,
    /// The object's size, once a request has said it
    pub(super) total: Option<u64>,
    pub(super) hasher: Hasher,
}

impl Sessions {
    pub(super) fn start(
        &self,
        store: &Store,
        draft: Draft,
        declared: Option<u64>,
    ) -> Result<String, ApiError> {
        let (_, path) = store.incoming()?;
        let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let partial =
            Partial { path, persisted: 0, total: declared, hasher: Hasher::new(draft.with_md5) };
        let state = tokio::sync::Mutex::new(State::Open(partial));
        let session = Session { draft, state, requests: watch::Sender::new(0) };
        self.lock().all.insert(id.clone(), Arc::new(session));
        Ok(id)
    }

    pub(super) fn get(&self, id: &str) -> Result<Arc<Session>, ApiError> {
        let session = self.lock().all.get(id).cloned();
        session.ok_or_else(|| ApiError::storage(404, "notFound", "No such upload session."))
    }

    /// Notes that a session takes no more content.
    pub(super) fn ended(&self, id: &str) {
        let mut table = self.lock();
        if !table.ended.iter().any(|ended| ended == id) {
            table.ended.push_back(id.to_owned());
        }
        if table.ended.len() > MAX_ENDED
            && let Some(oldest) = table.ended.pop_front()
        {
            table.all.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes one request's bytes behind what is safe.
pub(super) struct Appender {
    file: File,
    position: u64,
    hasher: Hasher,
}

impl Appender {
    pub(super) fn new(partial: &Partial) -> Result<Self, ApiError> {
        let path: &Path = &partial.path;
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(partial.persisted)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, position: partial.persisted, hasher: partial.hasher.clone() })
    }

    /// Writes; everything up to the last whole quantum is then safe.
    pub(super) fn write(
        &mut self,
        mut bytes: &[u8],
        partial: &mut Partial,
    ) -> Result<(), ApiError> {
        while !bytes.is_empty() {
            let room = QUANTUM - self.position % QUANTUM;
            let length = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (piece, rest) = bytes.split_at(length);
            self.file.write_all(piece)?;
            self.hasher.update(piece);
            self.position += piece.len() as u64;
            bytes = rest;
            if self.position.is_multiple_of(QUANTUM) {
                self.save(partial);
            }
        }
        Ok(())
    }

    /// Declares everything safe.
    pub(super) fn save(&self, partial: &mut Partial) {
        partial.persisted = self.position;
        partial.hasher = self.hasher.clone();
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }
}
