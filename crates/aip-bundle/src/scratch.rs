//! Directories that are being filled, out of sight until they are complete.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// Locked as long as its maker lives: what one leaves behind that was killed,
/// the next one removes.
#[derive(Debug)]
pub(crate) struct Scratch {
    directory: TempDir,
    _lock: File,
}

/// Between making a directory and locking it, it looks as if left behind.
const TOO_YOUNG: Duration = Duration::from_secs(60);

impl Scratch {
    pub(crate) fn new(parent: &Path, prefix: &str) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        sweep(parent, prefix);
        let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
        // Not what the user's umask makes of it: others must read it the same.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let lock = File::open(directory.path())?;
        // Without locks on this file system, nothing is ever taken for left behind.
        if let Err(error) = lock.try_lock() {
            log::debug!("'{}' cannot be locked: {error}", directory.path().display());
        }
        Ok(Self { directory, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Complete: it is not removed any more.
    pub(crate) fn keep(self) -> PathBuf {
        self.directory.keep()
    }
}

/// What cannot be removed is left to the next one: it is in nobody's way.
fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        if is_ours && is_left_behind(&entry.path()) {
            log::debug!("removing '{}', left behind", entry.path().display());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_left_behind(path: &Path) -> bool {
    let age = fs::symlink_metadata(path)
        .ok()
        .filter(fs::Metadata::is_dir)
        .and_then(|found| SystemTime::now().duration_since(found.modified().ok()?).ok());
    age.is_some_and(|age| age > TOO_YOUNG)
        && File::open(path).is_ok_and(|directory| directory.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_behind_goes() {
        let parent = tempfile::tempdir().unwrap();
        let old = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            let then = SystemTime::now() - Duration::from_secs(3600);
            File::open(&path).unwrap().set_modified(then).unwrap();
            path
        };
        let (left, alive, other) = (old(".x-1"), old(".x-2"), old("y"));
        let lock = File::open(&alive).unwrap();
        lock.lock().unwrap();
        let one = Scratch::new(parent.path(), ".x-").unwrap();
        let two = Scratch::new(parent.path(), ".x-").unwrap();
        assert!(!left.exists() && alive.exists() && other.exists());
        let (path, kept) = (one.path().to_owned(), two.keep());
        drop(one);
        assert!(!path.exists() && kept.exists());
    }
}
