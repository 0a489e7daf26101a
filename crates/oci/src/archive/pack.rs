//! Writing an archive, and what it hashes to.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};

use super::{Archive, Entry, Source};
use crate::blobs::Blobs;
use crate::error::Error;
use crate::gzip::Gzip;
use crate::{Descriptor, Digest, media};

/// What an archive hashes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// The gzip file.
    pub gzip: checksum::Digest,
    /// The tar file in it.
    pub tar: checksum::Digest,
}

/// A layer among the blobs. As JSON, what a cache remembers of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    pub descriptor: Descriptor,
    /// The digest of the layer unpacked.
    pub diff_id: Digest,
}

impl Archive {
    /// Writes the archive, hashing both what goes into the compressor and what
    /// comes out of it.
    pub fn pack(&self, to: impl Write) -> Result<Packed, Error> {
        let cannot_write = |source| Error::Write { path: "archive".into(), source };
        let gzip = Gzip::new(Hashing::new(to)).map_err(cannot_write)?;
        let mut builder = Builder::new(Hashing::new(gzip));
        for (path, entry) in &self.entries {
            append(&mut builder, path, entry)?;
        }
        let outer = builder.into_inner().map_err(cannot_write)?;
        let (gzip, tar) = outer.finish();
        let (mut to, gzip) = gzip.finish().map_err(cannot_write)?.finish();
        to.flush().map_err(cannot_write)?;
        Ok(Packed { gzip, tar })
    }

    /// Packs it as a layer among `blobs`.
    pub fn layer(&self, blobs: &Blobs) -> Result<Layer, Error> {
        let mut blob = blobs.create()?;
        let Packed { gzip, tar } = self.pack(&mut blob)?;
        let size = gzip.size;
        let descriptor = Descriptor::new(media::LAYER, gzip.into(), size);
        if blobs.has(&descriptor) {
            log::debug!("layer {} is there already", descriptor.digest);
        } else {
            blob.keep(&descriptor.digest)?;
        }
        Ok(Layer { descriptor, diff_id: tar.into() })
    }
}

fn append<W: Write>(builder: &mut Builder<W>, path: &str, entry: &Entry) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.into(), source };
    let mut header = Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match entry {
        Entry::Directory => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            builder.append_data(&mut header, format!("{path}/"), io::empty()).map_err(failed)
        }
        Entry::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            builder.append_link(&mut header, path, target).map_err(failed)
        }
        Entry::File { source, executable } => {
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            match source {
                Source::Bytes(content) => {
                    header.set_size(content.len() as u64);
                    builder.append_data(&mut header, path, content.as_slice()).map_err(failed)
                }
                Source::Path(from) => append_file(builder, &mut header, path, from),
            }
        }
    }
}

/// A file that changes while it is read would shift everything behind it.
fn append_file<W: Write>(
    builder: &mut Builder<W>,
    header: &mut Header,
    path: &str,
    from: &Path,
) -> Result<(), Error> {
    let unreadable = |source| Error::Read { path: from.to_owned(), source };
    let file = File::open(from).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    header.set_size(size);
    let mut counted = Counted { inner: file.take(size), count: 0 };
    builder.append_data(header, path, &mut counted).map_err(unreadable)?;
    if counted.count == size {
        return Ok(());
    }
    let subject = from.display().to_string();
    Err(Error::Size { subject, expected: size, found: counted.count })
}

struct Hashing<W> {
    inner: W,
    hasher: checksum::Hasher,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: checksum::Hasher::default() }
    }

    fn finish(self) -> (W, checksum::Digest) {
        (self.inner, self.hasher.finish())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
