//! Notes of uploads under way, so that another process, on this machine or on
//! one that shares the directory, goes on with them.
//!
//! ```text
//! DIRECTORY/.lock     held by the run that writes here
//! DIRECTORY/KEY.json  one upload; KEY is made of the object's address
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use transport::Digest;

use super::note::{LIFE, Slot, write};
use super::{Body, Insert};

const LOCK: &str = ".lock";

/// The notes of one run.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    _lock: File,
}

impl Journal {
    /// Nothing where another run is writing there: two that went on with the
    /// same sessions would only be in each other's way.
    pub fn open(directory: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(directory)?;
        let lock = File::create(directory.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { directory: directory.into(), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The place for one upload's note. What lies in no file is not gone on with.
    pub(super) fn slot(&self, root: &str, insert: &Insert) -> Option<Slot> {
        let Body::File(content, _) = insert.content else { return None };
        let address = format!("{root}\n{}\n{}", insert.bucket, insert.name);
        let key = Digest::of_bytes(address.as_bytes()).sha256;
        let metadata = fs::metadata(content).ok()?;
        let path = self.directory.join(format!("{}.json", &key[..32]));
        Some(Slot::new(path, root, insert, &metadata))
    }

    /// Notes something of the run's own, under a name.
    pub fn note(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        write(&self.directory.join(format!("{name}.json")), value)
    }

    pub fn noted<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let bytes = fs::read(self.directory.join(format!("{name}.json"))).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub fn forget(&self, name: &str) {
        let _ = fs::remove_file(self.directory.join(format!("{name}.json")));
    }

    /// Forgets what is of no use any more, and the directory with the last note.
    pub fn close(self) {
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|metadata| metadata.modified());
            let age = age.ok().and_then(|then| then.elapsed().ok()).unwrap_or_default();
            if age > LIFE {
                let _ = fs::remove_file(entry.path());
            }
        }
        let is_note = |name: &std::ffi::OsStr| name != LOCK;
        let left = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        if left.map(|entry| entry.file_name()).filter(|name| is_note(name)).count() == 0 {
            // What is in the way of it is no harm.
            let _ = fs::remove_file(self.directory.join(LOCK));
            let _ = fs::remove_dir(&self.directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use transport::Crc32c;

    use super::super::note::{Note, STRIDE};
    use super::*;

    struct Case {
        directory: tempfile::TempDir,
        file: PathBuf,
    }

    impl Case {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("file");
            fs::write(&file, "123456789").unwrap();
            Self { directory, file }
        }

        fn journal(&self) -> Journal {
            Journal::open(&self.directory.path().join("state")).unwrap().unwrap()
        }

        fn insert(&self) -> Insert<'_> {
            Insert { size: 9, ..Insert::of(&self.file) }
        }
    }

    #[test]
    fn a_note_is_for_the_same_upload_only() {
        let case = Case::new();
        let journal = case.journal();
        let insert = case.insert();
        let mut slot = journal.slot("http://h", &insert).unwrap();
        assert!(slot.resume().is_none());
        slot.begin("http://h/secret");
        slot.advance(0, Crc32c::default(), 5);
        let mode = fs::metadata(&slot.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let resumed = |insert: &Insert| {
            let mut slot = journal.slot("http://h", insert).unwrap();
            slot.resume().map(|(note, untouched)| (note.session.clone(), note.bound, untouched))
        };
        let expected = ("http://h/secret".to_owned(), 5 + STRIDE, true);
        assert_eq!(resumed(&insert), Some(expected.clone()));
        fs::write(&case.file, "987654321").unwrap();
        assert_eq!(resumed(&insert), Some((expected.0, expected.1, false)));
        assert_eq!(resumed(&Insert { replaces: 7, ..insert }), None);
        assert_eq!(resumed(&insert), None, "what is of no use is forgotten");
    }

    #[test]
    fn a_note_that_is_old_or_cannot_be_true_is_of_no_use() {
        let case = Case::new();
        let journal = case.journal();
        let insert = case.insert();
        let mut slot = journal.slot("http://h", &insert).unwrap();
        slot.begin("http://h/secret");
        let mut note: Note = serde_json::from_slice(&fs::read(&slot.path).unwrap()).unwrap();
        note.created -= LIFE.as_secs();
        write(&slot.path, &note).unwrap();
        assert!(slot.resume().is_none());
        fs::write(&slot.path, "{").unwrap();
        assert!(slot.resume().is_none());
        for (offset, bound) in [(10, 20), (5, 4)] {
            slot.begin("http://h/secret");
            let mut note: Note = serde_json::from_slice(&fs::read(&slot.path).unwrap()).unwrap();
            (note.offset, note.bound) = (offset, bound);
            write(&slot.path, &note).unwrap();
            assert!(slot.resume().is_none(), "of nine bytes, {offset} of at most {bound}");
        }
    }

    #[test]
    fn one_run_at_a_time_and_nothing_stays_behind() {
        let case = Case::new();
        let state = case.directory.path().join("state");
        let journal = case.journal();
        assert!(Journal::open(&state).unwrap().is_none());
        let mut slot = journal.slot("http://h", &case.insert()).unwrap();
        slot.begin("s");
        journal.close();
        assert!(state.exists());
        let journal = case.journal();
        journal.slot("http://h", &case.insert()).unwrap().forget();
        journal.close();
        assert!(!state.exists());
    }
}
