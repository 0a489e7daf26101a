//! What is noted of one upload.

use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use transport::Crc32c;

use super::Insert;

/// Of the seven days that the service keeps a session, one is a margin.
pub(super) const LIFE: Duration = Duration::from_secs(6 * 24 * 3600);

/// How far the bytes may run ahead of the notes. A note is a new file: a
/// millisecond, where many have just been removed.
pub(super) const STRIDE: u64 = 64 * 1024 * 1024;

/// What is uploaded, and how.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    root: String,
    bucket: String,
    name: String,
    size: u64,
    crc32c: String,
    replaces: u64,
}

impl Upload {
    pub(super) fn new(root: &str, insert: &Insert) -> Self {
        Self {
            root: root.into(),
            bucket: insert.bucket.into(),
            name: insert.name.into(),
            size: insert.size,
            crc32c: insert.crc32c.into(),
            replaces: insert.replaces,
        }
    }
}

/// What changes when somebody writes a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileState {
    seconds: i64,
    nanoseconds: i64,
    inode: u64,
}

/// No `Debug`: who has the session's address can write the object.
#[derive(Serialize, Deserialize)]
pub(super) struct Note {
    upload: Upload,
    file: FileState,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) session: String,
    /// So many bytes had been sent for sure, and this is their sum.
    pub(super) offset: u64,
    prefix: String,
    /// No byte from here on had been sent.
    pub(super) bound: u64,
}

impl Note {
    /// If it is of this upload, young, and can be true: no more is known to have
    /// been sent than there is, or than may have been.
    pub(super) fn read(bytes: &[u8], upload: &Upload, now: u64) -> Option<Self> {
        let note: Self = serde_json::from_slice(bytes).ok()?;
        let is_young = note.created <= now && now - note.created < LIFE.as_secs();
        let is_sound = note.offset <= note.bound && note.offset <= upload.size;
        (note.upload == *upload && is_young && is_sound).then_some(note)
    }

    /// Of the bytes before `offset`, as they were sent.
    pub(super) fn prefix(&self) -> Option<Crc32c> {
        self.prefix.parse().ok()
    }
}

/// Where one upload is noted.
pub(super) struct Slot {
    pub(super) path: PathBuf,
    upload: Upload,
    file: FileState,
    note: Option<Note>,
}

impl Slot {
    pub(super) fn new(path: PathBuf, root: &str, insert: &Insert, metadata: &Metadata) -> Self {
        let file = FileState {
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
            inode: metadata.ino(),
        };
        Self { path, upload: Upload::new(root, insert), file, note: None }
    }

    /// What an earlier run noted of this very upload; and whether the file has
    /// not been touched since.
    pub(super) fn resume(&mut self) -> Option<(&Note, bool)> {
        let bytes = fs::read(&self.path).ok()?;
        let Some(note) = Note::read(&bytes, &self.upload, now()) else {
            self.forget();
            return None;
        };
        let untouched = note.file == self.file;
        Some((self.note.insert(note), untouched))
    }

    pub(super) fn begin(&mut self, session: &str) {
        self.note = Some(Note {
            upload: self.upload.clone(),
            file: self.file.clone(),
            created: now(),
            session: session.into(),
            offset: 0,
            prefix: Crc32c::default().to_string(),
            bound: 0,
        });
        self.save();
    }

    /// Bytes up to `after` are about to leave; `sum` is that of those before
    /// `position`.
    pub(super) fn advance(&mut self, position: u64, sum: Crc32c, after: u64) {
        let Some(note) = &mut self.note else { return };
        if after > note.bound {
            note.bound = after + STRIDE;
            (note.offset, note.prefix) = (position, sum.to_string());
            note.file = self.file.clone();
            self.save();
        }
    }

    pub(super) fn forget(&mut self) {
        self.note = None;
        let _ = fs::remove_file(&self.path);
    }

    /// An upload whose note cannot be written is an upload all the same.
    fn save(&mut self) {
        let Some(note) = &self.note else { return };
        if let Err(error) = write(&self.path, note) {
            log::debug!("cannot note how far an upload got: {error}");
            self.forget();
        }
    }
}

/// Whole or not at all, and for its owner alone, as temporary files are.
pub(super) fn write(path: &Path, note: &impl Serialize) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(&serde_json::to_vec(note)?)?;
    file.persist(path)?;
    Ok(())
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
