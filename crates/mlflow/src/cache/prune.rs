//! What is in the cache, and what of it can go.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::Error;

use super::{Cache, Record, read};

/// A file that no record names may belong to a fetch that is not done.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// A model in the cache.
#[derive(Clone, Debug)]
pub struct Listed {
    pub model_uri: String,
    pub place: String,
    pub files: usize,
    pub bytes: u64,
    pub used: SystemTime,
    path: PathBuf,
    blobs: Vec<String>,
}

/// What may stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Models that were of use since then.
    pub since: Option<SystemTime>,
    /// Bytes of all of them, those of use last first.
    pub bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub models: usize,
    pub files: usize,
    /// Of the files that are nowhere else: what the disk gains.
    pub bytes: u64,
}

impl Cache {
    /// The models, those of use last first.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let models = self.models();
        let mut listed = Vec::new();
        for path in names(&models).map_err(|error| Error::file("read", &models, error))? {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let used = fs::metadata(&path).and_then(|found| found.modified());
            if let (Some(record), Ok(used)) = (read(&path), used) {
                listed.push(Listed::new(record, path, used));
            }
        }
        listed.sort_by_key(|model| std::cmp::Reverse(model.used));
        Ok(listed)
    }

    /// Removes what is not wanted, unless it is only to be said. A fetch that
    /// uses what goes has its own names for it, or downloads.
    pub fn prune(&self, wanted: Wanted, dry_run: bool) -> Result<Pruned, Error> {
        let mut pruned = Pruned::default();
        // Those that stay come first, so what is here is not to be looked at again.
        let mut settled: HashSet<String> = HashSet::new();
        let mut bytes = 0;
        for model in self.list()? {
            bytes += model.bytes;
            let stays = wanted.since.is_none_or(|since| model.used >= since)
                && wanted.bytes.is_none_or(|most| bytes <= most);
            if stays {
                settled.extend(model.blobs);
                continue;
            }
            pruned.models += 1;
            if !dry_run {
                remove(&model.path)?;
            }
            // Named by a record that goes: no grace for these.
            for blob in model.blobs {
                let path = self.blob(&blob);
                if settled.insert(blob) {
                    pruned.take(&path, dry_run)?;
                }
            }
        }
        self.sweep(&settled, &mut pruned, dry_run)?;
        Ok(pruned)
    }

    /// What no record names.
    fn sweep(
        &self,
        settled: &HashSet<String>,
        pruned: &mut Pruned,
        dry_run: bool,
    ) -> Result<(), Error> {
        let blobs = self.root.join("blobs");
        let failed = |error| Error::file("read", &blobs, error);
        let mut directories = names(&blobs).map_err(failed)?;
        directories.push(self.models());
        for directory in directories {
            for path in names(&directory).map_err(failed)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.ends_with(".json") {
                    continue;
                }
                let old = fs::symlink_metadata(&path).is_ok_and(|found| is_old(&found));
                if old && !settled.contains(name.as_ref()) {
                    pruned.take(&path, dry_run)?;
                }
            }
        }
        Ok(())
    }
}

impl Listed {
    fn new(record: Record, path: PathBuf, used: SystemTime) -> Self {
        Self {
            model_uri: record.model_uri,
            place: record.place,
            files: record.files.len(),
            bytes: record.files.iter().map(|known| known.file.size).sum(),
            used,
            path,
            blobs: record.files.into_iter().map(|known| known.file.sha256).collect(),
        }
    }
}

impl Pruned {
    fn take(&mut self, path: &Path, dry_run: bool) -> Result<(), Error> {
        let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
        self.files += 1;
        if found.nlink() == 1 {
            self.bytes += found.len();
        }
        if !dry_run {
            remove(path)?;
        }
        Ok(())
    }
}

fn is_old(found: &Metadata) -> bool {
    let changed = found.modified().ok().and_then(|at| at.elapsed().ok());
    changed.is_some_and(|age| age > GRACE)
}

/// Gone is gone, whoever did it.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

fn names(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
