//! Files that came once, kept by their content, so that they need not come
//! again: for another directory, another version with the same files, or after
//! a directory was removed.
//!
//! `blobs/` holds each content under its SHA-256, `models/` what was listed when
//! it came. Nothing in it is believed: what is listed must be what was listed
//! then, the store must say that it is unchanged, and the content is hashed
//! before it is used. So no lock is needed, whoever writes, prunes or is killed
//! meanwhile: every name in it appears whole, by a rename, and what is missing
//! is downloaded.

mod prune;
mod share;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use transport::Digest;

use crate::known::{ByPath, Identity, Known};
use crate::source::{Entry, Source};

pub use prune::{Listed, Pruned, Wanted};
use share::share;

/// The version of the records' shape; others are not read.
const VERSION: u32 = 1;

/// How the name of what is not there yet begins.
const TEMPORARY: &str = ".new-";

#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// A model as it came.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    version: u32,
    model_uri: String,
    place: String,
    mlmodel: String,
    files: Vec<Known>,
}

/// What is cached of one model.
#[derive(Debug)]
pub struct Cached<'a> {
    cache: &'a Cache,
    identity: &'a Identity,
    known: Mutex<HashSet<ByPath>>,
}

impl Cache {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn model<'a>(&'a self, identity: &'a Identity) -> Cached<'a> {
        let path = self.record_path(&identity.place);
        let record = read(&path).filter(|record| record.mlmodel == identity.mlmodel);
        if record.is_some() {
            touch(&path);
        }
        let files = record.map(|record| record.files).unwrap_or_default();
        let known = files.into_iter().map(ByPath::from).collect();
        Cached { cache: self, identity, known: Mutex::new(known) }
    }

    fn blob(&self, sha256: &str) -> PathBuf {
        let (first, _) = sha256.split_at_checked(2).unwrap_or_default();
        self.root.join("blobs").join(first).join(sha256)
    }

    fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    fn record_path(&self, place: &str) -> PathBuf {
        self.models().join(format!("{}.json", Digest::of_bytes(place.as_bytes()).sha256))
    }
}

impl Cached<'_> {
    /// Puts a file's content at `to`, where nothing is yet, if it is here and
    /// still what the store has.
    pub(crate) fn bring(&self, entry: &Entry, source: &dyn Source, to: &Path) -> Option<Known> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let ByPath(known) = all.take(entry.path.as_str())?;
        drop(all);
        let blob = self.cache.blob(&known.file.sha256);
        if !known.is_still(entry, source) || !blob.exists() {
            return None;
        }
        if !known.is_in(&blob) {
            log::debug!("'{}' in the cache was changed; removing it", blob.display());
            let _ = fs::remove_file(&blob);
            return None;
        }
        match share(&blob, to) {
            Ok(()) => Some(*known),
            Err(error) => {
                log::debug!("cannot use '{}': {error}", blob.display());
                let _ = fs::remove_file(to);
                None
            }
        }
    }

    /// Takes a file in. A cache that cannot be written is no reason to fail.
    pub(crate) fn keep(&self, known: &Known, path: &Path) {
        let blob = self.cache.blob(&known.file.sha256);
        if is_one(path, &blob) {
            return;
        }
        if let Err(error) = in_place(&blob, |temporary| share(path, temporary)) {
            log::debug!("cannot keep '{}' in the cache: {error}", known.file.path);
        }
    }

    /// Notes what the model is made of, once all of it came.
    pub fn record(&self, model_uri: &str, files: &[Known]) {
        let path = self.cache.record_path(&self.identity.place);
        let written = in_place(&path, |temporary| {
            let mut out = io::BufWriter::new(File::create_new(temporary)?);
            serde_json::to_writer(&mut out, &RecordOf::new(self.identity, model_uri, files))?;
            out.flush()
        });
        if let Err(error) = written {
            log::debug!("cannot note the model in the cache: {error}");
        }
    }
}

/// [`Record`], borrowed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordOf<'a> {
    version: u32,
    model_uri: &'a str,
    place: &'a str,
    mlmodel: &'a str,
    files: &'a [Known],
}

impl<'a> RecordOf<'a> {
    fn new(identity: &'a Identity, model_uri: &'a str, files: &'a [Known]) -> Self {
        let Identity { place, mlmodel } = identity;
        Self { version: VERSION, model_uri, place, mlmodel, files }
    }
}

fn read(path: &Path) -> Option<Record> {
    let record = serde_json::from_reader(io::BufReader::new(File::open(path).ok()?));
    record.ok().filter(|record: &Record| record.version == VERSION)
}

/// A record's time is when it was last of use.
fn touch(path: &Path) {
    let file = File::options().append(true).open(path);
    // Pruned too early at worst.
    let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
}

/// Lets `make` make a file beside `path`, then gives it that name.
fn in_place(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let file = tempfile::Builder::new().prefix(TEMPORARY).make_in(parent, |temporary| {
        // What is there by then is ours, and no use: a disk may have become full.
        make(temporary).inspect_err(|error| {
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = fs::remove_file(temporary);
            }
        })
    })?;
    let temporary = file.path().to_owned();
    file.persist(path).map_err(|error| error.error)?;
    // It stays where both names are one file, for then a rename does nothing.
    let _ = fs::remove_file(temporary);
    Ok(())
}

/// Whether both names are the same file's.
fn is_one(path: &Path, other: &Path) -> bool {
    let inode = |path| fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((inode(path), inode(other)), (Ok(one), Ok(other)) if one == other)
}
