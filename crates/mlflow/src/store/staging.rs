//! A directory being filled, under a name that nobody looks for.
//!
//! It outlives a process that is killed, and the next one for the same model
//! goes on in it. It is locked as long as a process is at it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::known::{ByPath, Identity, Known};

use super::journal::{Journal, Left, left};

pub(super) const PARTIAL: &str = ".partial";
pub(super) const LOCK: &str = "lock";
const JOURNAL: &str = "journal";
const MODEL: &str = "model";

#[derive(Debug)]
pub struct Staging {
    outer: PathBuf,
    pub(crate) journal: Journal,
    left: Mutex<Left>,
    stays: AtomicBool,
    _lock: File,
}

impl Staging {
    /// In `parent`, under a name that begins with `prefix`: what an earlier
    /// process left of this model, else a new one. What was left of others goes.
    pub(super) fn open(parent: &Path, prefix: &str, identity: &Identity) -> Result<Self, Error> {
        let failed = |error| Error::file("create a directory in", parent, error);
        fs::create_dir_all(parent).map_err(failed)?;
        let mut adopted: Option<(PathBuf, File, Left)> = None;
        for (outer, lock) in abandoned(parent, prefix) {
            match left(&outer.join(JOURNAL), identity) {
                Some(left) if adopted.is_none() && outer.join(MODEL).is_dir() => {
                    log::info!("going on with what an earlier run left");
                    adopted = Some((outer, lock, left));
                }
                _ => {
                    log::debug!("removing '{}', which nobody fills any more", outer.display());
                    let _ = fs::remove_dir_all(outer);
                }
            }
        }
        let is_new = adopted.is_none();
        let (outer, lock, left) = match adopted {
            Some(adopted) => adopted,
            None => fresh(parent, prefix).map_err(failed)?,
        };
        let path = outer.join(JOURNAL);
        let journal = Journal::open(&path, identity).map_err(|error| {
            if is_new {
                let _ = fs::remove_dir_all(&outer);
            }
            Error::file("write", &path, error)
        })?;
        Ok(Self {
            journal,
            outer,
            left: Mutex::new(left),
            stays: AtomicBool::new(false),
            _lock: lock,
        })
    }

    pub fn path(&self) -> PathBuf {
        self.outer.join(MODEL)
    }

    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.outer.join(name)
    }

    /// A file that an earlier process brought whole. It is had once.
    pub(crate) fn whole(&self, path: &str) -> Option<Known> {
        self.left().whole.take(path).map(|ByPath(known)| *known)
    }

    /// What the store called the content that an earlier process began to bring.
    pub(crate) fn begun(&self, path: &str) -> Option<String> {
        self.left().begun.remove(path)
    }

    pub(crate) fn is_begun(&self, path: &str) -> bool {
        self.left().begun.contains_key(path)
    }

    /// It is not removed, though it is not done: somebody will go on with it.
    pub fn stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.stays.load(Ordering::Relaxed) {
            let _ = fs::remove_dir_all(&self.outer);
        }
    }
}

fn fresh(parent: &Path, prefix: &str) -> io::Result<(PathBuf, File, Left)> {
    let outer = tempfile::Builder::new().prefix(prefix).suffix(PARTIAL).tempdir_in(parent)?;
    fs::create_dir(outer.path().join(MODEL))?;
    // Locked before it has the name that others look for.
    let unnamed = outer.path().join("new");
    let lock = File::create_new(&unnamed)?;
    lock.lock()?;
    fs::rename(&unnamed, outer.path().join(LOCK))?;
    Ok((outer.keep(), lock, Left::default()))
}

/// Those that nobody holds, now held by us. Only our own: in a directory that
/// all may write to, somebody could leave us files.
fn abandoned(parent: &Path, prefix: &str) -> Vec<(PathBuf, File)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().into_encoded_bytes();
        if !name.starts_with(prefix.as_bytes()) || !name.ends_with(PARTIAL.as_bytes()) {
            continue;
        }
        let outer = entry.path();
        let me = rustix::process::geteuid().as_raw();
        if !fs::symlink_metadata(&outer).is_ok_and(|it| it.is_dir() && it.uid() == me) {
            continue;
        }
        let Ok(lock) = File::open(outer.join(LOCK)) else { continue };
        // Who was done with it in the meantime has removed it.
        if lock.try_lock().is_ok() && outer.join(LOCK).exists() {
            found.push((outer, lock));
        }
    }
    found
}
