//! What images have in common, kept below the work directory: blobs by digest,
//! locks and layers by what they were made from.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use oci::Blobs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::scratch::Scratch;

#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
    pub(super) blobs: Blobs,
}

impl Cache {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), blobs: Blobs::new(root) }
    }

    pub(super) fn lock_path(&self, key: &str) -> PathBuf {
        self.root.join("locks").join(format!("{key}.txt"))
    }

    /// What is remembered of something by its key.
    pub(super) fn note_path(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join(kind).join(format!("{key}.json"))
    }

    /// The installed tree of a dependency layer.
    pub(super) fn site_path(&self, key: &str) -> PathBuf {
        self.root.join("sites").join(key)
    }

    /// Nothing where there is none, or none that this build reads.
    pub(super) fn note<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        let text = fs::read(self.note_path(kind, key)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn remember(
        &self,
        kind: &str,
        key: &str,
        note: &impl Serialize,
    ) -> Result<(), Error> {
        let text = serde_json::to_vec(note).unwrap_or_default();
        self.write(&self.note_path(kind, key), &text)
    }

    /// All of it, or nothing.
    pub(super) fn write(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        let parent = path.parent().unwrap_or(&self.root);
        let write = || {
            fs::create_dir_all(parent)?;
            let mut file = tempfile::NamedTempFile::new_in(parent)?;
            file.write_all(content)?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    pub(super) fn scratch(&self) -> Result<Scratch, Error> {
        Scratch::new(&self.root, ".new-")
            .map_err(|source| Error::Write { path: self.root.clone(), source })
    }

    /// Until the file is dropped, nobody else makes what has this key.
    pub(super) fn exclusive(&self, key: &str) -> Result<File, Error> {
        let path = self.root.join("making").join(key);
        let lock = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            let file = File::create(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    log::info!("waiting for another run that makes the same");
                    file.lock()?;
                }
                // The work is done twice, and the second one wins.
                Err(TryLockError::Error(error)) => {
                    log::debug!("'{}' cannot be locked: {error}", path.display());
                }
            }
            Ok(file)
        };
        lock().map_err(|source| Error::Write { path: path.clone(), source })
    }
}
