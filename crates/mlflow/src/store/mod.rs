//! The model's directory on this machine, and the record beside it of what was
//! put there.
//!
//! A directory appears whole or not at all: it is filled under another name and
//! renamed. The record stands beside it, because the directory is the model's.

mod journal;
mod staging;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use deployment::File;
use serde::{Deserialize, Serialize};
use transport::{Digest, Hasher, for_each};

use crate::error::Error;
use crate::known::{Identity, Known};
use crate::source::{Entry, Source};

pub use staging::Staging;

/// How often another process may be quicker, which is already unlikely once.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    is_part: bool,
    is_unfinished: bool,
}

/// Beside the directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    model_uri: String,
    /// Some of the model's files were left where they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_part: bool,
    /// Somebody might still have written to the model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_unfinished: bool,
    files: Vec<Known>,
}

impl Manifest {
    /// Of what is written.
    fn digest(&self) -> serde_json::Result<Digest> {
        let mut hasher = Hasher::default();
        serde_json::to_writer(&mut hasher, self)?;
        Ok(hasher.finish())
    }
}

impl Store {
    pub fn new(directory: &Path) -> Result<Self, Error> {
        let directory = std::path::absolute(directory)
            .map_err(|error| Error::file("find", directory, error))?;
        if directory.file_name().is_none() {
            return Err(Error::usage(
                format!("'{}' cannot be made a model's directory", directory.display()),
                "give --output a directory that is not there yet",
            ));
        }
        Ok(Self { directory, is_part: false, is_unfinished: false })
    }

    /// Whether what is to come is less than the whole model.
    #[must_use]
    pub fn of_part(self, is_part: bool) -> Self {
        Self { is_part, ..self }
    }

    /// Whether the model may change before it is called finished: then, nothing is
    /// what it was because a finished model does not change.
    #[must_use]
    pub fn of_unfinished(self, is_unfinished: bool) -> Self {
        Self { is_unfinished, ..self }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes sure that something may be put there: nothing of anybody else's is
    /// replaced, nor a whole model by a part of one.
    pub fn claim(&self) -> Result<(), Error> {
        let found = match fs::symlink_metadata(&self.directory) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::file("look at", &self.directory, error)),
        };
        let in_use = |why: &str| {
            Err(Error::usage(
                format!("'{}' is there already and {why}", self.directory.display()),
                "give --output a directory that is not there yet, or remove this one",
            ))
        };
        if !found.is_dir() {
            return in_use("is not a directory");
        }
        let mut entries = fs::read_dir(&self.directory)
            .map_err(|error| Error::file("read", &self.directory, error))?;
        if entries.next().is_some() && !self.manifest_path().is_file() {
            return in_use("was not put there by mlf-fetch");
        }
        match self.manifest() {
            Some(whole) if self.is_part && !whole.is_part => Err(Error::usage(
                format!(
                    "'{}' holds the whole of '{}', and only a part of a model would take its place",
                    self.directory.display(),
                    whole.model_uri
                ),
                "give --output another directory, leave out --metadata-only, or remove this one",
            )),
            _ => Ok(()),
        }
    }

    /// The files, if just what is listed lies here, unchanged on both sides:
    /// there by what the store says, here by hashing them again.
    pub fn current(
        &self,
        source: &dyn Source,
        entries: &[Entry],
        identity: &Identity,
        jobs: usize,
    ) -> Option<Vec<File>> {
        let Manifest { files: known, is_unfinished, .. } = self.manifest()?;
        if is_unfinished && !self.is_unfinished {
            log::debug!("what is here came before the model was finished; fetching anew");
            return None;
        }
        let mlmodel = known.iter().find(|known| known.file.path == "MLmodel");
        let same = mlmodel.is_some_and(|known| known.file.sha256 == identity.mlmodel);
        if !same || known.len() != entries.len() {
            log::debug!("'{}' holds something else; fetching anew", self.directory.display());
            return None;
        }
        let pairs: Vec<_> = entries.iter().zip(&known).collect();
        let checked = for_each(pairs, jobs, |(entry, known)| {
            let path = self.directory.join(&entry.path);
            if known.is_still(entry, source) && known.is_in(&path) {
                return Ok(());
            }
            log::debug!("'{}' is not known to be current; fetching anew", path.display());
            Err(())
        });
        checked.ok()?;
        Some(known.into_iter().map(|known| known.file).collect())
    }

    /// A directory to fill, on the same file system.
    pub fn stage(&self, identity: &Identity) -> Result<Staging, Error> {
        Staging::open(&self.parent(), &self.hidden("."), identity)
    }

    /// Puts what was staged in place. What was there before goes away with the
    /// stage.
    pub fn keep(
        &self,
        staging: &Staging,
        model_uri: &str,
        files: Vec<Known>,
    ) -> Result<Vec<File>, Error> {
        self.claim()?;
        let Self { is_part, is_unfinished, .. } = *self;
        let manifest = Manifest { model_uri: model_uri.into(), is_part, is_unfinished, files };
        for attempt in 0..ATTEMPTS {
            if self.has(&manifest) || self.put(staging, &manifest, attempt)? {
                return Ok(manifest.files.into_iter().map(|known| known.file).collect());
            }
        }
        Err(Error::file("put in place", &self.directory, ErrorKind::ResourceBusy.into()))
    }

    /// Whether another process has put just that there meanwhile. Who went on
    /// from it must not lose it.
    fn has(&self, manifest: &Manifest) -> bool {
        let mut files = manifest.files.iter();
        let there = fs::File::open(self.manifest_path()).and_then(Digest::of);
        there.is_ok_and(|there| manifest.digest().is_ok_and(|ours| ours == there))
            && files.all(|known| known.is_in(&self.directory.join(&known.file.path)))
    }

    /// Whether it is in its place; another process may have been quicker.
    fn put(&self, staging: &Staging, manifest: &Manifest, attempt: usize) -> Result<bool, Error> {
        let written = staging.beside("manifest");
        let failed = |error| Error::file("write", &written, error);
        let mut out = io::BufWriter::new(fs::File::create(&written).map_err(failed)?);
        serde_json::to_writer(&mut out, &manifest).map_err(|error| failed(error.into()))?;
        out.into_inner().map_err(|error| failed(error.into_error()))?;
        let failed = |error| Error::file("put in place", &self.directory, error);
        match fs::rename(&self.directory, staging.beside(&format!("old-{attempt}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // In this order: a directory without a record is nobody's, and a record
        // that tells of other content is found out by hashing.
        fs::rename(&written, self.manifest_path()).map_err(failed)?;
        match fs::rename(staging.path(), &self.directory) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    fn manifest(&self) -> Option<Manifest> {
        let file = fs::File::open(self.manifest_path()).ok()?;
        serde_json::from_reader(io::BufReader::new(file)).ok()
    }

    fn manifest_path(&self) -> PathBuf {
        self.parent().join(self.hidden(".fetched.json"))
    }

    /// A name beside the directory's that nobody sees.
    fn hidden(&self, suffix: &str) -> String {
        let name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        format!(".{name}{suffix}")
    }

    fn parent(&self) -> PathBuf {
        self.directory.parent().unwrap_or(Path::new("/")).to_owned()
    }
}
