//! Bytes as they arrive, hashed on a thread of their own once there are many: the
//! next are on their way meanwhile.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};

use transport::{Digest, Hasher};

/// What is hashed at once. A file that is no larger starts no thread.
const PIECE: usize = 256 * 1024;

/// The kernel takes more at once, and more time for each byte.
const READ: usize = 64 * 1024;

/// There may be a hundred thousand small files, and each has a piece made for it.
const FIRST: usize = 8 * 1024;

/// One arrives, one waits, one is hashed.
const PIECES: usize = 3;

pub(crate) struct Hashing {
    piece: Vec<u8>,
    filled: usize,
    place: Place,
}

enum Place {
    Here(Hasher),
    Behind(Behind),
}

/// Goes on with what it is sent, and ends with nobody left to send.
struct Behind {
    full: Sender<(Vec<u8>, usize)>,
    empty: Receiver<Vec<u8>>,
    more: usize,
    thread: JoinHandle<Hasher>,
}

impl Hashing {
    /// Goes on from what this hasher has seen.
    pub(crate) fn after(hasher: Hasher) -> Self {
        Self { piece: Vec::new(), filled: 0, place: Place::Here(hasher) }
    }

    /// Where the next bytes go; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.filled == PIECE {
            let place = std::mem::replace(&mut self.place, Place::Here(Hasher::default()));
            let mut behind = place.behind();
            self.piece = behind.exchange(std::mem::take(&mut self.piece));
            self.place = Place::Behind(behind);
            self.filled = 0;
        }
        let end = PIECE.min(self.filled + self.filled.clamp(FIRST, READ));
        if self.piece.len() < end {
            self.piece.resize(end, 0);
        }
        &mut self.piece[self.filled..end]
    }

    /// Counts the first bytes of the space as arrived, and shows them.
    pub(crate) fn arrived(&mut self, count: usize) -> &[u8] {
        let start = self.filled;
        self.filled += count;
        &self.piece[start..self.filled]
    }

    pub(crate) fn finish(self) -> Digest {
        match self.place {
            Place::Here(mut hasher) => {
                hasher.update(&self.piece[..self.filled]);
                hasher.finish()
            }
            Place::Behind(behind) => behind.end(self.piece, self.filled).finish(),
        }
    }
}

impl Place {
    fn behind(self) -> Behind {
        let mut hasher = match self {
            Self::Behind(behind) => return behind,
            Self::Here(hasher) => hasher,
        };
        let (full, pieces) = channel::<(Vec<u8>, usize)>();
        let (back, empty) = channel();
        let thread = spawn(move || {
            for (piece, filled) in pieces {
                hasher.update(&piece[..filled]);
                // Nobody takes the last ones back.
                let _ = back.send(piece);
            }
            hasher
        });
        Behind { full, empty, more: PIECES - 1, thread }
    }
}

impl Behind {
    /// Gives away a full piece for one to fill; waits where all are full.
    fn exchange(&mut self, piece: Vec<u8>) -> Vec<u8> {
        // A thread that is gone has panicked, which its end tells.
        let _ = self.full.send((piece, PIECE));
        let new = || vec![0; PIECE];
        match self.more.checked_sub(1) {
            Some(more) => {
                self.more = more;
                self.empty.try_recv().unwrap_or_else(|_| new())
            }
            None => self.empty.recv().unwrap_or_else(|_| new()),
        }
    }

    fn end(self, piece: Vec<u8>, filled: usize) -> Hasher {
        let _ = self.full.send((piece, filled));
        drop(self.full);
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_digest_of_the_whole() {
        let byte = |at: usize| u8::try_from(at * at % 251).unwrap();
        for size in [0, 1, READ, PIECE, PIECE + 1, 7 * PIECE + 5] {
            let content: Vec<_> = (0..size).map(byte).collect();
            let (seen, mut rest) = content.split_at(size / 3);
            let mut hasher = Hasher::default();
            hasher.update(seen);
            let mut hashing = Hashing::after(hasher);
            while !rest.is_empty() {
                let space = hashing.space();
                let count = space.len().min(rest.len()).min(60_000);
                let (now, later) = rest.split_at(count);
                space[..count].copy_from_slice(now);
                assert_eq!(hashing.arrived(count), now);
                rest = later;
            }
            assert_eq!(hashing.finish(), Digest::of_bytes(&content), "{size}");
        }
    }
}
