//! The model's directory on this machine, and the record beside it of what was
//! put there.
//!
//! A directory appears whole or not at all: it is filled under another name and
//! renamed. The record stands beside it, because the directory is the model's.

mod journal;
mod staging;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use deployment::File;
use serde::{Deserialize, Serialize};
use transport::for_each;

use crate::error::Error;
use crate::known::{Identity, Known};
use crate::source::{Entry, Source};

pub use staging::Staging;

/// How often another process may be quicker, which is already unlikely once.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
}

/// Beside the directory.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    model_uri: String,
    files: Vec<Known>,
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
        Ok(Self { directory })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes sure that something may be put there: nothing of anybody else's is
    /// replaced.
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
        Ok(())
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
        let known = self.manifest()?.files;
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
        let manifest = Manifest { model_uri: model_uri.into(), files };
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
        self.manifest().as_ref() == Some(manifest)
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
        serde_json::from_slice(&fs::read(self.manifest_path()).ok()?).ok()
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::download::{Download, Told};
    use crate::source::{Local, checked};

    struct Case {
        temp: TempDir,
        store: Store,
        entries: Vec<Entry>,
    }

    fn identity() -> Identity {
        Identity::new("here".into(), b"flavors: {}")
    }

    fn fetched() -> Case {
        let temp = tempfile::tempdir().unwrap();
        let origin = temp.path().join("origin");
        fs::create_dir_all(origin.join("data")).unwrap();
        fs::write(origin.join("MLmodel"), "flavors: {}").unwrap();
        fs::write(origin.join("data/x"), "abc").unwrap();
        let store = Store::new(&temp.path().join("out/model")).unwrap();
        let mut case = Case { temp, store, entries: Vec::new() };
        case.fetch();
        case
    }

    impl Case {
        fn source(&self) -> Local {
            Local::new(&self.temp.path().join("origin")).unwrap()
        }

        fn fetch(&mut self) {
            self.entries = self.fetch_once();
        }

        fn fetch_once(&self) -> Vec<Entry> {
            let source = self.source();
            let entries = checked(source.list().unwrap()).unwrap();
            let staging = self.store.stage(&identity()).unwrap();
            let told = Told { bytes: &|_| (), file: &|| () };
            let (source, staging) = (&source, &staging);
            let download = Download { source, staging, cached: None, jobs: 2, told };
            let files = download.run(&entries, &identity()).unwrap();
            self.store.keep(staging, "models:/x/1", files).unwrap();
            entries
        }

        fn current_as(&self, entries: &[Entry], identity: &Identity) -> Option<Vec<File>> {
            self.store.current(&self.source(), entries, identity, 2)
        }

        fn current(&self) -> Option<Vec<File>> {
            self.current_as(&self.entries, &identity())
        }

        fn beside(&self) -> Vec<String> {
            let names = fs::read_dir(self.temp.path().join("out")).unwrap();
            let mut names: Vec<_> =
                names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn what_was_fetched_is_known_again() {
        let mut case = fetched();
        let files = case.current().unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(files[1].sha256, transport::Digest::of_bytes(b"abc").sha256);
        assert_eq!(case.beside(), [".model.fetched.json", "model"]);
        case.fetch();
        assert_eq!(case.beside(), [".model.fetched.json", "model"]);
    }

    #[test]
    fn any_difference_is_found() {
        let mut case = fetched();
        let another = Identity::new("here".into(), b"other");
        assert!(case.current_as(&case.entries, &another).is_none());
        assert!(case.current_as(&case.entries[..1], &identity()).is_none());
        let mut other = case.entries.clone();
        other[1].revision = Some("later".into());
        assert!(case.current_as(&other, &identity()).is_none());
        fs::write(case.store.directory().join("data/x"), "abd").unwrap();
        assert!(case.current().is_none());
        case.fetch();
        assert!(case.current().is_some());
        fs::remove_file(case.store.directory().join("data/x")).unwrap();
        fs::write(case.temp.path().join("abc"), "abc").unwrap();
        symlink(case.temp.path().join("abc"), case.store.directory().join("data/x")).unwrap();
        assert!(case.current().is_none());
    }

    #[test]
    fn nobody_elses_directory_is_replaced() {
        let temp = tempfile::tempdir().unwrap();
        let mine = temp.path().join("mine");
        fs::create_dir(&mine).unwrap();
        assert!(Store::new(&mine).unwrap().claim().is_ok(), "an empty one may be filled");
        fs::write(mine.join("thesis.tex"), "").unwrap();
        assert!(Store::new(&mine).unwrap().claim().is_err());
        symlink(&mine, temp.path().join("link")).unwrap();
        assert!(Store::new(&temp.path().join("link")).unwrap().claim().is_err());
        assert!(Store::new(Path::new("/")).is_err());
    }

    #[test]
    fn many_may_fetch_the_same_at_the_same_time() {
        let case = fetched();
        let kept = case.store.directory().join("data/x");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| drop(case.fetch_once())));
            }
        });
        assert_eq!(fs::read_to_string(kept).unwrap(), "abc");
        assert!(case.current().is_some());
        assert_eq!(case.beside(), [".model.fetched.json", "model"]);
    }

    #[test]
    fn an_abandoned_stage_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::new(&temp.path().join("model")).unwrap();
        let staging = store.stage(&identity()).unwrap();
        fs::write(staging.path().join("x"), "x").unwrap();
        drop(staging);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_gone_on_with_by_the_same_model_alone() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::new(&temp.path().join("model")).unwrap();
        let left = |identity: &Identity| {
            let staging = store.stage(identity).unwrap();
            fs::write(staging.path().join("x"), "x").unwrap();
            staging.stay();
            staging.path()
        };
        let path = left(&identity());
        let mine = store.stage(&identity()).unwrap();
        assert_eq!(mine.path(), path, "the same is gone on with");
        let another = store.stage(&identity()).unwrap();
        assert_ne!(another.path(), path, "a living one is its process's");
        drop((mine, another));

        let path = left(&Identity::new("there".into(), b"flavors: {}"));
        let mine = store.stage(&identity()).unwrap();
        assert!(!path.exists() && mine.path().exists(), "another model's goes");
    }
}
