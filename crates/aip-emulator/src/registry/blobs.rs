//! Blobs on disk, by digest.
//!
//! ```text
//! .incoming/        uploads that are not finished; emptied at start
//! blobs/HEX         content, whatever repositories it belongs to
//! ```

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempPath;

use super::digest::Digest;

#[derive(Debug)]
pub(super) struct Blobs {
    incoming: PathBuf,
    dir: PathBuf,
}

impl Blobs {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let (incoming, dir) = (root.join(".incoming"), root.join("blobs"));
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir_all(&incoming)?;
        fs::create_dir_all(&dir)?;
        Ok(Self { incoming, dir })
    }

    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    pub(super) fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        fs::read(self.path(digest))
    }

    pub(super) fn size(&self, digest: &Digest) -> io::Result<u64> {
        Ok(fs::metadata(self.path(digest))?.len())
    }

    /// A blob that is yet to come.
    pub(super) fn incoming(&self) -> io::Result<Incoming> {
        let file =
            tempfile::Builder::new().prefix("").rand_bytes(32).tempfile_in(&self.incoming)?;
        let (file, path) = file.into_parts();
        Ok(Incoming { file, path, hash: Sha256::new(), size: 0 })
    }

    /// What has come is a blob from now on.
    pub(super) fn keep(&self, content: Arrived) -> io::Result<()> {
        content.path.persist(self.path(&content.digest))?;
        Ok(())
    }

    /// Adds content that is in memory.
    pub(super) fn add(&self, content: &[u8]) -> io::Result<Digest> {
        let mut incoming = self.incoming()?;
        incoming.write(content)?;
        let arrived = incoming.finish();
        let digest = arrived.digest.clone();
        self.keep(arrived)?;
        Ok(digest)
    }
}

/// Content on its way, hashed as it is written.
///
/// Writes block, but only for as long as it takes to copy a piece into the
/// page cache.
#[derive(Debug)]
pub(super) struct Incoming {
    file: File,
    path: TempPath,
    hash: Sha256,
    size: u64,
}

impl Incoming {
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.hash.update(piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Not to be guessed: the random name of the file.
    pub(super) fn id(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(super) fn finish(self) -> Arrived {
        Arrived { path: self.path, digest: self.hash.into() }
    }
}

/// Content that has come whole, under no name yet.
#[derive(Debug)]
pub(super) struct Arrived {
    path: TempPath,
    pub(super) digest: Digest,
}
