//! The model's directory on this machine, and the record beside it of what was
//! put there.
//!
//! A directory appears whole or not at all: it is filled under another name and
//! renamed. The record stands beside it, because the directory is the model's.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use deployment::File;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use transport::{Digest, for_each};

use crate::error::Error;
use crate::source::Entry;

const PARTIAL: &str = ".partial";
const LOCK: &str = "lock";

#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
}

/// Beside the directory.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    model_uri: String,
    files: Vec<Recorded>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Recorded {
    #[serde(flatten)]
    file: File,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

/// A directory being filled. Dropped before it is kept, it is gone; one whose
/// process was killed is no longer locked, and goes when the next one comes.
#[derive(Debug)]
pub struct Staging {
    outer: TempDir,
    _lock: fs::File,
}

impl Staging {
    pub fn path(&self) -> PathBuf {
        self.outer.path().join("model")
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

    /// The files, if just what is listed lies here, unchanged: sizes and
    /// revisions by the record, contents by hashing them again.
    pub fn current(&self, entries: &[Entry], mlmodel: &[u8], jobs: usize) -> Option<Vec<File>> {
        let manifest = self.manifest()?;
        let listed = entries.len() == manifest.files.len()
            && entries.iter().zip(&manifest.files).all(|(entry, known)| known.is(entry));
        // MLmodel holds the model's own id and time: other model, other bytes.
        let same = || {
            let known = manifest.files.iter().find(|known| known.file.path == "MLmodel");
            let now = Digest::of(mlmodel).ok();
            known.zip(now).is_some_and(|(known, now)| known.file.sha256 == now.sha256)
        };
        if !listed || !same() {
            log::debug!("'{}' holds something else; fetching anew", self.directory.display());
            return None;
        }
        let files: Vec<_> = manifest.files.into_iter().map(|known| known.file).collect();
        for_each(files, jobs, |file| self.unchanged(file)).ok()
    }

    fn unchanged(&self, file: File) -> Result<File, ()> {
        let path = self.directory.join(&file.path);
        let regular = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        let digest = regular.then(|| fs::File::open(&path).and_then(Digest::of));
        match digest {
            Some(Ok(digest)) if digest.sha256 == file.sha256 && digest.size == file.size => {
                Ok(file)
            }
            _ => {
                log::debug!("'{}' is not what was fetched; fetching anew", path.display());
                Err(())
            }
        }
    }

    /// A directory to fill, on the same file system.
    pub fn stage(&self) -> Result<Staging, Error> {
        let parent = self.parent();
        let failed = |error| Error::file("create a directory in", &parent, error);
        fs::create_dir_all(&parent).map_err(failed)?;
        self.sweep();
        let outer = tempfile::Builder::new()
            .prefix(&self.hidden("."))
            .suffix(PARTIAL)
            .tempdir_in(&parent)
            .map_err(failed)?;
        // Locked before it has the name that others look for.
        let unnamed = outer.path().join("new");
        let lock = fs::File::create_new(&unnamed).map_err(failed)?;
        lock.lock().map_err(failed)?;
        fs::rename(&unnamed, outer.path().join(LOCK)).map_err(failed)?;
        let staging = Staging { outer, _lock: lock };
        fs::create_dir(staging.path()).map_err(failed)?;
        Ok(staging)
    }

    /// Removes what killed processes left. Whatever does not work here will be
    /// tried again.
    fn sweep(&self) {
        let prefix = self.hidden(".");
        for entry in fs::read_dir(self.parent()).into_iter().flatten().flatten() {
            let name = entry.file_name().into_encoded_bytes();
            if !name.starts_with(prefix.as_encoded_bytes()) || !name.ends_with(PARTIAL.as_bytes()) {
                continue;
            }
            let path = entry.path();
            if fs::File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
                log::debug!("removing '{}', which nobody fills any more", path.display());
                let _ = fs::remove_dir_all(path);
            }
        }
    }

    /// Puts what was staged in place. What was there before goes away with the
    /// stage.
    pub fn keep(
        &self,
        staging: &Staging,
        model_uri: &str,
        entries: &[Entry],
        files: &[File],
    ) -> Result<(), Error> {
        self.claim()?;
        let manifest = Manifest {
            model_uri: model_uri.into(),
            files: files
                .iter()
                .zip(entries)
                .map(|(file, entry)| Recorded {
                    file: file.clone(),
                    revision: entry.revision.clone(),
                })
                .collect(),
        };
        let written = staging.outer.path().join("manifest");
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| Error::file("write", &written, error.into()))?;
        fs::write(&written, text).map_err(|error| Error::file("write", &written, error))?;
        let put = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(|error| Error::file("put in place", to, error))
        };
        if self.directory.exists() {
            put(&self.directory, &staging.outer.path().join("old"))?;
        }
        // In this order: a directory without a record is nobody's, and a record
        // that tells of other content is found out by hashing.
        put(&written, &self.manifest_path())?;
        put(&staging.path(), &self.directory)
    }

    fn manifest(&self) -> Option<Manifest> {
        serde_json::from_slice(&fs::read(self.manifest_path()).ok()?).ok()
    }

    fn manifest_path(&self) -> PathBuf {
        self.parent().join(self.hidden(".fetched.json"))
    }

    /// A name beside the directory's that nobody sees.
    fn hidden(&self, suffix: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(self.directory.file_name().unwrap_or_default());
        name.push(suffix);
        name
    }

    fn parent(&self) -> PathBuf {
        self.directory.parent().unwrap_or(Path::new("/")).to_owned()
    }
}

impl Recorded {
    fn is(&self, entry: &Entry) -> bool {
        let agrees = |listed: &Option<String>, known: Option<&String>| {
            listed.as_ref().is_none_or(|listed| known == Some(listed))
        };
        self.file.path == entry.path
            && entry.size.is_none_or(|size| size == self.file.size)
            && agrees(&entry.crc32c, Some(&self.file.crc32c))
            && agrees(&entry.revision, self.revision.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::download::{Told, download};
    use crate::source::{Local, Source as _, checked};

    struct Case {
        temp: TempDir,
        store: Store,
        entries: Vec<Entry>,
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
        fn fetch(&mut self) {
            let source = Local::new(&self.temp.path().join("origin")).unwrap();
            self.entries = checked(source.list().unwrap()).unwrap();
            let staging = self.store.stage().unwrap();
            let told = Told { bytes: &|_| (), file: &|| () };
            let files = download(&source, &self.entries, &staging.path(), 2, &told).unwrap();
            self.store.keep(&staging, "models:/x/1", &self.entries, &files).unwrap();
        }

        fn current(&self) -> Option<Vec<File>> {
            self.store.current(&self.entries, b"flavors: {}", 2)
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
        assert_eq!(files[1].sha256, Digest::of(&b"abc"[..]).unwrap().sha256);
        assert_eq!(case.beside(), [".model.fetched.json", "model"]);
        case.fetch();
        assert_eq!(case.beside(), [".model.fetched.json", "model"]);
    }

    #[test]
    fn any_difference_is_found() {
        let mut case = fetched();
        assert!(case.store.current(&case.entries, b"other", 1).is_none());
        assert!(case.store.current(&case.entries[..1], b"flavors: {}", 1).is_none());
        let mut other = case.entries.clone();
        other[1].revision = Some("later".into());
        assert!(case.store.current(&other, b"flavors: {}", 1).is_none());
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
    fn an_abandoned_stage_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::new(&temp.path().join("model")).unwrap();
        let staging = store.stage().unwrap();
        fs::write(staging.path().join("x"), "x").unwrap();
        drop(staging);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_goes_when_the_next_one_comes() {
        let temp = tempfile::tempdir().unwrap();
        let store = Store::new(&temp.path().join("model")).unwrap();
        let left = temp.path().join(".model.abc123.partial");
        fs::create_dir_all(left.join("model")).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let another = store.stage().unwrap();
        assert!(!left.exists());
        let mine = store.stage().unwrap();
        assert!(another.path().exists() && mine.path().exists(), "a living one stays");
    }
}
