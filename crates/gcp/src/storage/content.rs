//! A file's bytes on their way out.
//!
//! They are summed as they leave, and the last of them leave only if the sum is
//! what it should be: a file that changed never becomes an object, whatever the
//! service checks or not.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use transport::{Crc32c, Paced, Stop};

use super::note::Slot;
use super::{Body, Insert};
use crate::Error;

/// What all uploads share.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) stop: Stop,
    /// So many bytes have left, those that had to go again counted again.
    pub(super) sent: AtomicU64,
}

/// What is known of one upload's bytes, over all attempts.
pub(super) struct Content<'a> {
    insert: &'a Insert<'a>,
    sent: &'a (dyn Fn(u64) + Sync),
    line: &'a Line,
    /// Beginnings whose sums are known: so much need not be read again.
    known: Vec<(u64, Crc32c)>,
    /// No byte from here on has ever been sent.
    pub(super) reached: u64,
    /// So much the progress was told of; what goes out again is no progress.
    told: u64,
    changed: bool,
}

impl<'a> Content<'a> {
    pub(super) fn new(
        insert: &'a Insert<'a>,
        sent: &'a (dyn Fn(u64) + Sync),
        line: &'a Line,
    ) -> Self {
        let known = vec![(0, Crc32c::default())];
        Self { insert, sent, line, known, reached: 0, told: 0, changed: false }
    }

    /// The rest of the bytes, from `offset` on.
    pub(super) fn from<'c>(
        &'c mut self,
        offset: u64,
        slot: Option<&'c mut Slot>,
    ) -> Result<Outgoing<'a, 'c>, Error> {
        let sum = self.sum(offset)?;
        let file = Paced(self.open(offset)?);
        self.tell(offset);
        Ok(Outgoing { file, position: offset, sum, content: self, slot })
    }

    /// The sum of the bytes before `offset`. It goes on from what is known, so
    /// that no byte is read for it twice, however often an upload breaks.
    pub(super) fn sum(&mut self, offset: u64) -> Result<Crc32c, Error> {
        let known = self.known.iter().filter(|(at, _)| *at <= offset).max_by_key(|(at, _)| at);
        let (from, mut sum) = known.copied().unwrap_or_default();
        if from == offset {
            return Ok(sum);
        }
        let file = self.open(from)?.take(offset - from);
        let size = sum.update_from(file).map_err(|source| self.explain(self.local(source)))?;
        if size < offset - from {
            return Err(self.is_changed());
        }
        self.known.push((offset, sum));
        Ok(sum)
    }

    /// A failure to send may be one to read, or somebody's wish.
    pub(super) fn explain(&self, error: Error) -> Error {
        if self.line.stop.is_set() {
            Error::Stopped
        } else if self.changed {
            self.is_changed()
        } else {
            error
        }
    }

    pub(super) fn path(&self) -> String {
        match self.insert.content {
            Body::File(path, _) => path.display().to_string(),
            Body::Bytes(_) => self.insert.name.to_owned(),
        }
    }

    fn is_changed(&self) -> Error {
        Error::Changed { path: self.path() }
    }

    fn open(&self, offset: u64) -> Result<Stopping<'a>, Error> {
        let bytes: Box<dyn Read + 'a> = match self.insert.content {
            Body::File(path, start) => {
                let mut file = File::open(path).map_err(|source| self.local(source))?;
                let seeked = file.seek(SeekFrom::Start(start + offset));
                seeked.map_err(|source| self.local(source))?;
                Box::new(file)
            }
            Body::Bytes(bytes) => {
                let mut bytes = Cursor::new(bytes);
                bytes.set_position(offset);
                Box::new(bytes)
            }
        };
        Ok(Stopping { bytes, stop: &self.line.stop })
    }

    fn local(&self, source: io::Error) -> Error {
        Error::Local { path: self.path(), source }
    }

    fn tell(&mut self, position: u64) {
        if position > self.told {
            (self.sent)(position - self.told);
            self.told = position;
        }
    }
}

/// What cannot be read any more once another upload has failed.
struct Stopping<'a> {
    bytes: Box<dyn Read + 'a>,
    stop: &'a Stop,
}

impl Read for Stopping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::other(Error::Stopped));
        }
        self.bytes.read(buffer)
    }
}

/// One attempt's bytes.
pub(super) struct Outgoing<'a, 'c> {
    file: Paced<Stopping<'a>>,
    position: u64,
    sum: Crc32c,
    content: &'c mut Content<'a>,
    slot: Option<&'c mut Slot>,
}

impl Read for Outgoing<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { content, .. } = self;
        let insert = content.insert;
        let left = usize::try_from(insert.size - self.position).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let count = self.file.read(&mut buffer[..room])?;
        let after = self.position + count as u64;
        if let Some(slot) = &mut self.slot {
            // Before they leave: what may have been sent must be known.
            slot.advance(self.position, self.sum, after);
        }
        self.sum.update(&buffer[..count]);
        let is_short = count == 0 && room > 0;
        let is_other = count > 0 && after == insert.size && self.sum.to_string() != insert.crc32c;
        if is_short || is_other {
            content.changed = true;
            return Err(io::Error::other("the file has changed"));
        }
        self.position = after;
        content.reached = content.reached.max(after);
        content.line.sent.fetch_add(count as u64, Ordering::Relaxed);
        content.tell(after);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &mut Content, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut outgoing = content.from(offset, None).map_err(io::Error::other)?;
        outgoing.read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn the_last_bytes_leave_only_if_the_sum_is_right() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "x123456789x").unwrap();
        let content = Body::File(file.path(), 1);
        let insert = |crc32c| Insert { content, size: 9, crc32c, ..Insert::of(file.path()) };
        let told = std::sync::atomic::AtomicU64::new(0);
        let tell = |more| {
            told.fetch_add(more, Ordering::Relaxed);
        };
        let right = insert("4waSgw==");
        let line = Line::default();
        let mut content = Content::new(&right, &tell, &line);
        assert_eq!(read(&mut content, 0).unwrap(), b"123456789");
        assert_eq!(read(&mut content, 4).unwrap(), b"56789");
        assert_eq!(read(&mut content, 9).unwrap(), b"");
        let bytes = Insert { content: Body::Bytes(b"123456789"), ..right };
        let unheard = Line::default();
        assert_eq!(read(&mut Content::new(&bytes, &|_| (), &unheard), 4).unwrap(), b"56789");
        assert_eq!(told.into_inner(), 9, "what goes out again is no progress");
        assert_eq!(line.sent.load(Ordering::Relaxed), 14, "but it was sent");

        let wrong = insert("AAAAAA==");
        let mut content = Content::new(&wrong, &|_| (), &line);
        assert!(read(&mut content, 0).is_err());
        assert!(matches!(
            content.explain(Error::Ahead { path: String::new(), there: 0, sent: 0 }),
            Error::Changed { .. }
        ));
        let longer = Insert { size: 20, ..right };
        assert!(read(&mut Content::new(&longer, &|_| (), &line), 0).is_err());
        assert!(Content::new(&longer, &|_| (), &line).sum(20).is_err());

        line.stop.set();
        let mut content = Content::new(&right, &|_| (), &line);
        assert!(read(&mut content, 0).is_err());
        assert!(matches!(content.sum(4), Err(Error::Stopped)));
    }
}
