//! gzip on all cores, with the same bytes on any number of them.
//!
//! As pigz does it: pieces of fixed size are deflated apart from each other and
//! flushed to a byte boundary, which makes them one deflate stream, in one gzip
//! member that every reader knows.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::{Compress, Compression, Crc, FlushCompress};

/// A twentieth larger than what level 9 gives, in a third of the time.
const LEVEL: u32 = 4;

/// Large enough that what a piece cannot refer back to does not count.
const PIECE: usize = 1 << 20;

/// No name, no time, and an unknown operating system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

struct Job {
    piece: Vec<u8>,
    flush: FlushCompress,
    reply: Sender<Vec<u8>>,
}

/// A writer whose other end is compressed. It must be finished.
pub(crate) struct Gzip<W> {
    inner: W,
    piece: Vec<u8>,
    crc: Crc,
    jobs: Sender<Job>,
    /// What is being deflated, in order.
    pending: VecDeque<Receiver<Vec<u8>>>,
    most_pending: usize,
}

impl<W: Write> Gzip<W> {
    pub(crate) fn new(mut inner: W) -> io::Result<Self> {
        inner.write_all(&HEADER)?;
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..workers {
            let queue = queue.clone();
            // They end with the sender of their jobs.
            thread::spawn(move || while work(&queue).is_some() {});
        }
        let (crc, pending) = (Crc::new(), VecDeque::new());
        let piece = Vec::with_capacity(PIECE);
        Ok(Self { inner, piece, crc, jobs, pending, most_pending: 2 * workers })
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.hand_out(FlushCompress::Finish)?;
        while !self.pending.is_empty() {
            self.take_in()?;
        }
        let (sum, size) = (self.crc.sum(), self.crc.amount());
        self.inner.write_all(&sum.to_le_bytes())?;
        self.inner.write_all(&size.to_le_bytes())?;
        Ok(self.inner)
    }

    fn hand_out(&mut self, flush: FlushCompress) -> io::Result<()> {
        if self.pending.len() >= self.most_pending {
            self.take_in()?;
        }
        let piece = mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let (reply, deflated) = channel();
        self.jobs.send(Job { piece, flush, reply }).map_err(io::Error::other)?;
        self.pending.push_back(deflated);
        Ok(())
    }

    /// Writes the piece that has waited longest.
    fn take_in(&mut self) -> io::Result<()> {
        let Some(deflated) = self.pending.pop_front() else { return Ok(()) };
        let deflated = deflated.recv().map_err(io::Error::other)?;
        self.inner.write_all(&deflated)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE - self.piece.len());
        self.crc.update(&bytes[..count]);
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() == PIECE {
            self.hand_out(FlushCompress::Sync)?;
        }
        Ok(count)
    }

    /// The pieces' size is part of the format: nothing goes out early.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One job, or nothing where no more will come.
fn work(queue: &Mutex<Receiver<Job>>) -> Option<()> {
    // Separate statement: the lock must not be held while working.
    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()?;
    if let Ok(deflated) = deflate(&job.piece, job.flush) {
        // Nobody listens any more where the writer has failed.
        let _ = job.reply.send(deflated);
    }
    Some(())
}

fn deflate(piece: &[u8], flush: FlushCompress) -> Result<Vec<u8>, flate2::CompressError> {
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    let mut deflated = Vec::with_capacity(piece.len() + piece.len() / 16 + 64);
    loop {
        let consumed = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let status = compress.compress_vec(&piece[consumed..], &mut deflated, flush)?;
        let done = match flush {
            FlushCompress::Finish => status == flate2::Status::StreamEnd,
            // Room that is left says that nothing is held back.
            _ => deflated.len() < deflated.capacity(),
        };
        if done {
            return Ok(deflated);
        }
        deflated.reserve(64 * 1024);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn gzip(content: &[u8], step: usize) -> Vec<u8> {
        let mut gzip = Gzip::new(Vec::new()).unwrap();
        for part in content.chunks(step.max(1)) {
            gzip.write_all(part).unwrap();
        }
        gzip.finish().unwrap()
    }

    /// Text, and noise that cannot be compressed.
    fn content(size: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..size).map(|at| if at % 3_000_000 < 1_500_000 { noise() } else { b'a' }).collect()
    }

    #[test]
    fn one_member_that_every_reader_knows() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7] {
            let content = content(size);
            let packed = gzip(&content, 100_000);
            // This decoder reads no more than the first member.
            let mut decoder = GzDecoder::new(packed.as_slice());
            let mut unpacked = Vec::new();
            decoder.read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == content && decoder.into_inner().is_empty(), "{size}");
        }
    }

    #[test]
    fn how_it_is_written_does_not_show() {
        let content = content(2 * PIECE + 5);
        assert!(gzip(&content, 1 << 16) == gzip(&content, content.len()));
    }

    #[test]
    fn a_writer_that_fails_is_an_error() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut gzip = Gzip::new(Full(1 << 20)).unwrap();
        let written = gzip.write_all(&content(3_000_000));
        let error = written.and_then(|()| gzip.finish().map(drop)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
