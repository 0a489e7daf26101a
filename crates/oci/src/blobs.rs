//! A folder of blobs by digest: a layout's own, or a cache that layouts link to.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use crate::error::Error;
use crate::{Descriptor, Digest};

#[derive(Clone, Debug)]
pub struct Blobs {
    /// `…/blobs/sha256`.
    directory: PathBuf,
}

/// A blob that is being written: gone unless it is kept.
#[derive(Debug)]
pub struct NewBlob<'a> {
    blobs: &'a Blobs,
    file: BufWriter<NamedTempFile>,
}

impl Blobs {
    /// Those below `root`, which is made when something is written.
    pub fn new(root: &Path) -> Self {
        Self { directory: root.join("blobs/sha256") }
    }

    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(digest.hex())
    }

    /// Whether it is there. Blobs appear whole, so a look at the size suffices.
    pub fn has(&self, blob: &Descriptor) -> bool {
        fs::metadata(self.path(&blob.digest)).is_ok_and(|found| found.len() == blob.size)
    }

    /// The content of a small blob, checked.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let path = self.path(digest);
        let content =
            fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        check(&path.display().to_string(), digest, Digest::of(&content))?;
        Ok(content)
    }

    pub(crate) fn read_json<T: DeserializeOwned>(
        &self,
        digest: &Digest,
        what: &'static str,
    ) -> Result<(T, Vec<u8>), Error> {
        let content = self.read(digest)?;
        let subject = self.path(digest).display().to_string();
        let parsed = serde_json::from_slice(&content).map_err(|source| Error::Malformed {
            subject,
            what,
            source,
        })?;
        Ok((parsed, content))
    }

    /// Reads a whole blob and compares it with its name.
    pub fn verify(&self, blob: &Descriptor) -> Result<(), Error> {
        let path = self.path(&blob.digest);
        let found = File::open(&path).and_then(checksum::Digest::of);
        let found = found.map_err(|source| Error::Read { path: path.clone(), source })?;
        check(&path.display().to_string(), &blob.digest, found.into())
    }

    pub fn add(&self, media_type: &str, content: &[u8]) -> Result<Descriptor, Error> {
        let blob = Descriptor::new(media_type, Digest::of(content), content.len() as u64);
        if !self.has(&blob) {
            let mut new = self.create()?;
            new.write_all(content).map_err(|source| self.cannot_write(source))?;
            new.keep(&blob.digest)?;
        }
        Ok(blob)
    }

    /// The same blob as in `from`: one file under two names where the file
    /// system has that, else a copy.
    pub fn link(&self, from: &Self, blob: &Descriptor) -> Result<(), Error> {
        let (source, target) = (from.path(&blob.digest), self.path(&blob.digest));
        if self.has(blob) {
            return Ok(());
        }
        self.make()?;
        match fs::hard_link(&source, &target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::Read { path: source, source: error })
            }
            Err(_) => {
                let mut file = File::open(&source)
                    .map_err(|error| Error::Read { path: source, source: error })?;
                let mut new = self.create()?;
                io::copy(&mut file, &mut new).map_err(|source| self.cannot_write(source))?;
                new.keep(&blob.digest)
            }
        }
    }

    pub fn create(&self) -> Result<NewBlob<'_>, Error> {
        self.make()?;
        let file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory);
        let file = file.map_err(|source| self.cannot_write(source))?;
        Ok(NewBlob { blobs: self, file: BufWriter::with_capacity(128 * 1024, file) })
    }

    fn make(&self) -> Result<(), Error> {
        if self.directory.is_dir() {
            return Ok(());
        }
        let make = || {
            fs::create_dir_all(&self.directory)?;
            // Not what the user's umask makes of it: a layout is for others to
            // read.
            for made in self.directory.ancestors().take(2) {
                fs::set_permissions(made, Permissions::from_mode(0o755))?;
            }
            Ok(())
        };
        make().map_err(|source| self.cannot_write(source))
    }

    fn cannot_write(&self, source: io::Error) -> Error {
        Error::Write { path: self.directory.clone(), source }
    }
}

impl NewBlob<'_> {
    /// Gives the blob its name. Nobody writes to it after that: other layouts
    /// may share the file.
    pub fn keep(self, digest: &Digest) -> Result<(), Error> {
        let path = self.blobs.path(digest);
        let persist = || {
            let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().set_permissions(Permissions::from_mode(0o444))?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        persist().map_err(|source| Error::Write { path: path.clone(), source })
    }
}

impl Write for NewBlob<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(crate) fn check(subject: &str, expected: &Digest, found: Digest) -> Result<(), Error> {
    if *expected == found {
        return Ok(());
    }
    Err(Error::Mismatch { subject: subject.into(), expected: expected.clone(), found })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn blobs_are_shared_and_checked() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Blobs::new(&scratch.path().join("cache"));
        let layout = Blobs::new(&scratch.path().join("layout"));
        let blob = cache.add("text/plain", b"abc").unwrap();
        layout.link(&cache, &blob).unwrap();
        layout.link(&cache, &blob).unwrap();
        let inode = |blobs: &Blobs| fs::metadata(blobs.path(&blob.digest)).unwrap().ino();
        assert_eq!(inode(&cache), inode(&layout));
        assert_eq!(layout.read(&blob.digest).unwrap(), b"abc");

        fs::remove_file(layout.path(&blob.digest)).unwrap();
        fs::write(layout.path(&blob.digest), b"abd").unwrap();
        assert!(matches!(layout.read(&blob.digest), Err(Error::Mismatch { .. })));
        assert!(matches!(layout.verify(&blob), Err(Error::Mismatch { .. })));
        cache.verify(&blob).unwrap();
        let gone = Descriptor::new("x", Digest::of(b"gone"), 4);
        assert!(matches!(layout.link(&cache, &gone), Err(Error::Read { .. })));
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(scratch.path());
        blobs.create().unwrap().write_all(b"half").unwrap();
        assert_eq!(fs::read_dir(scratch.path().join("blobs/sha256")).unwrap().count(), 0);
    }
}
