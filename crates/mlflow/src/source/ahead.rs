//! A large file over several connections, read in order.
//!
//! A store sends so much over one connection and no more. So a file comes in
//! parts, several at a time; those ahead of the reader wait in memory, and
//! therefore only one file at a time is read like this.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What waits in memory is [`CONNECTIONS`] times this.
pub const PART: u64 = 2 * 1024 * 1024;

const CONNECTIONS: u64 = 8;

/// What is smaller has come before it matters.
const WORTH_IT: u64 = 16 * PART;

/// Opens a part of the file, or fails where it is not of the same content.
type Open = dyn Fn(Range<u64>) -> io::Result<Box<dyn Read + Send>> + Send + Sync;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The right to read ahead.
pub struct Turn(());

impl Turn {
    /// For so many bytes, if that is worth it, and nobody else is at it. A limited
    /// rate needs no haste.
    pub fn take(bytes: u64) -> Option<Self> {
        let may = bytes >= WORTH_IT && !transport::is_rate_limited();
        (may && !TAKEN.swap(true, Ordering::Acquire)).then_some(Self(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::Release);
    }
}

pub struct Ahead {
    shared: Arc<Shared>,
    current: Part,
    /// Bytes of it that are still to come.
    left: u64,
    /// Where the next part begins.
    next: u64,
    _turn: Turn,
}

/// The one that is being read.
enum Part {
    First(Box<dyn Read + Send>),
    Whole(Cursor<Vec<u8>>),
}

struct Shared {
    open: Box<Open>,
    end: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the next part begins that nobody has begun to fetch.
    next: u64,
    /// What begins from here on does not fit into memory yet.
    limit: u64,
    parts: BTreeMap<u64, io::Result<Vec<u8>>>,
    /// Memory of parts that were read, for others: given back, it would be lost to
    /// the thread that it came from.
    spare: Vec<Vec<u8>>,
    is_over: bool,
}

impl Ahead {
    /// The bytes of `range`, whose first part is open already.
    pub fn new(
        turn: Turn,
        range: Range<u64>,
        first: Box<dyn Read + Send>,
        open: impl Fn(Range<u64>) -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
    ) -> Self {
        let next = range.end.min(range.start + PART);
        let state = State { next, limit: next + CONNECTIONS * PART, ..State::default() };
        let shared = Arc::new(Shared {
            open: Box::new(open),
            end: range.end,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        for _ in 0..CONNECTIONS {
            let shared = shared.clone();
            std::thread::spawn(move || shared.fetch_all());
        }
        let (current, left) = (Part::First(first), next - range.start);
        Self { shared, current, left, next, _turn: turn }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            if self.next == self.shared.end {
                return Ok(0);
            }
            let read = match &mut self.current {
                Part::First(_) => Vec::new(),
                Part::Whole(part) => std::mem::take(part.get_mut()),
            };
            let part = self.shared.take(self.next, read)?;
            self.left = part.len() as u64;
            self.next += self.left;
            self.current = Part::Whole(Cursor::new(part));
        }
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = match &mut self.current {
            Part::First(content) => content.read(&mut buffer[..room])?,
            Part::Whole(part) => part.read(&mut buffer[..room])?,
        };
        if count == 0 && room > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the condition holds.
    fn wait(&self, holds: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let changed = self.changed.wait_while(self.lock(), |state| !holds(state));
        changed.unwrap_or_else(PoisonError::into_inner)
    }

    /// The part that begins there, for one that was read.
    fn take(&self, start: u64, read: Vec<u8>) -> io::Result<Vec<u8>> {
        self.lock().spare.push(read);
        let mut state = self.wait(|state| state.parts.contains_key(&start));
        state.limit = start + CONNECTIONS * PART;
        self.changed.notify_all();
        state.parts.remove(&start).unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    fn fetch_all(&self) {
        loop {
            let mut state = self
                .wait(|state| state.is_over || state.next == self.end || state.next < state.limit);
            if state.is_over || state.next == self.end {
                return;
            }
            let start = state.next;
            state.next = self.end.min(start + PART);
            let range = start..state.next;
            let memory = state.spare.pop().unwrap_or_default();
            drop(state);
            let part = self.fetch(range, memory);
            let mut state = self.lock();
            // What comes before it is of use all the same.
            if part.is_err() {
                state.next = self.end;
            }
            state.parts.insert(start, part);
            self.changed.notify_all();
        }
    }

    fn fetch(&self, range: Range<u64>, mut part: Vec<u8>) -> io::Result<Vec<u8>> {
        let size = range.end - range.start;
        part.clear();
        part.reserve_exact(usize::try_from(size).unwrap_or_default());
        (self.open)(range)?.take(size).read_to_end(&mut part)?;
        if part.len() as u64 == size { Ok(part) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    const SIZE: u64 = 20 * PART + 7;

    fn byte(at: u64) -> u8 {
        u8::try_from(at % 251).unwrap()
    }

    fn content(range: Range<u64>) -> Vec<u8> {
        range.map(byte).collect()
    }

    fn whole(range: Range<u64>) -> Box<dyn Read + Send> {
        Box::new(Cursor::new(content(range)))
    }

    /// Only one test at a time can have it.
    fn turn() -> Turn {
        loop {
            if let Some(turn) = Turn::take(WORTH_IT) {
                return turn;
            }
            std::thread::yield_now();
        }
    }

    fn ahead(
        from: u64,
        open: impl Fn(Range<u64>) -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
    ) -> Ahead {
        let first = Box::new(Cursor::new(content(from..from + PART)));
        Ahead::new(turn(), from..SIZE, first, open)
    }

    #[test]
    fn all_of_it_comes_in_order_and_several_parts_at_a_time() {
        // Nobody gets further before all connections are at it.
        let all = Arc::new(Barrier::new(usize::try_from(CONNECTIONS).unwrap()));
        let first_round = 0..(CONNECTIONS + 1) * PART;
        for from in [0, 5] {
            let (all, first_round) = (all.clone(), first_round.clone());
            let mut came = Vec::new();
            let mut ahead_of_us = ahead(from, move |range| {
                if first_round.contains(&(range.start - from)) {
                    all.wait();
                }
                Ok(whole(range))
            });
            ahead_of_us.read_to_end(&mut came).unwrap();
            assert!(came == content(from..SIZE));
        }
    }

    #[test]
    fn what_comes_before_a_broken_part_is_not_lost() {
        let mut came = Vec::new();
        let broken = 6 * PART;
        for is_short in [false, true] {
            came.clear();
            let mut ahead = ahead(0, move |range| match range.start {
                start if start != broken => Ok(whole(range)),
                _ if is_short => Ok(whole(range.start..range.end - 1)),
                _ => Err(io::ErrorKind::ConnectionReset.into()),
            });
            assert!(ahead.read_to_end(&mut came).is_err());
            assert!(came == content(0..broken), "{} bytes", came.len());
        }
    }

    #[test]
    fn no_more_waits_in_memory_than_was_said() {
        let begun = Arc::new(Mutex::new(0));
        let most = begun.clone();
        let mut ahead = ahead(0, move |range| {
            let mut most = most.lock().unwrap();
            *most = range.end.max(*most);
            Ok(whole(range))
        });
        let mut at = 0;
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = ahead.read(&mut buffer) {
            at += count as u64;
            let bound = at + PART + CONNECTIONS * PART;
            assert!(*begun.lock().unwrap() <= bound);
        }
        assert_eq!(at, SIZE);
        assert!(Turn::take(WORTH_IT).is_none() && Turn::take(1).is_none());
    }
}
