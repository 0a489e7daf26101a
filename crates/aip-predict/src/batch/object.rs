//! An object of the bucket as one stream, whatever happens to the line.

use std::io::{self, Read};

use gcp::storage::{ObjectMeta, Storage};
use stage::Failure;
use transport::{Hasher, Policy};

/// Reads it to its end, taken up where a line broke, and held against its
/// checksum there.
pub(super) struct Content<'a> {
    storage: &'a Storage,
    bucket: &'a str,
    object: &'a ObjectMeta,
    open: Option<Box<dyn Read + Send>>,
    read: u64,
    /// How often it may break.
    patience: u32,
    hasher: Option<Hasher>,
}

impl<'a> Content<'a> {
    pub(super) fn new(storage: &'a Storage, bucket: &'a str, object: &'a ObjectMeta) -> Self {
        let (patience, hasher) = (Policy::from_env().retries, Some(Hasher::default()));
        Self { storage, bucket, object, open: None, read: 0, patience, hasher }
    }

    /// Gives it all to `sink`.
    pub(super) fn copy(mut self, sink: &mut dyn io::Write) -> Result<(), Failure> {
        let name = format!("gs://{}/{}", self.bucket, self.object.name);
        io::copy(&mut self, sink)
            .map(drop)
            .map_err(|error| Failure::failed(format!("cannot bring '{name}'")).cause(&error))
    }

    fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let open = match &mut self.open {
            Some(open) => open,
            closed => {
                let content = self.storage.open(self.bucket, self.object, self.read..);
                closed.insert(content.map_err(io::Error::other)?)
            }
        };
        open.read(buffer)
    }

    fn check(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let found = hasher.finish();
        if self.object.holds(found.size, &found.crc32c) {
            return Ok(());
        }
        let message = format!(
            "{} bytes with crc32c {} came, not {}",
            found.size,
            found.crc32c,
            self.object.content()
        );
        Err(io::Error::other(message))
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.read == self.object.size {
                return self.check().map(|()| 0);
            }
            match self.some(buffer) {
                Ok(count) if count > 0 => {
                    self.read += count as u64;
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&buffer[..count]);
                    }
                    return Ok(count);
                }
                broken if self.patience == 0 => {
                    return broken.and(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                _ => {
                    self.patience -= 1;
                    self.open = None;
                }
            }
        }
    }
}
