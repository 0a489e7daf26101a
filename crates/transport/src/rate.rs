//! A limit on how fast bytes move, one for the whole process.

use std::fmt::{self, Display};
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

static BUCKET: OnceLock<Bucket> = OnceLock::new();

/// Bytes in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(NonZeroU64);

#[derive(Debug, Error)]
#[error("'{0}' is not a rate: bytes in a second, such as 500K, 20M or 1G")]
pub struct NoRate(String);

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let bytes = bytes_of(text).and_then(NonZeroU64::new);
        bytes.map(Self).ok_or_else(|| NoRate(text.to_owned()))
    }
}

/// A number of bytes as curl and wget read it: K, M and G are powers of 1024,
/// and may have a fraction.
pub fn bytes_of(text: &str) -> Option<u64> {
    let (number, unit) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 10),
        (at, 'm' | 'M') => (&text[..at], 20),
        (at, 'g' | 'G') => (&text[..at], 30),
        _ => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str, most| text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole, 18) || !digits(fraction, 9) {
        return None;
    }
    let parse = |text: &str| text.parse::<u128>().unwrap_or_default() << unit;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    u64::try_from(parse(whole) + parse(fraction) / scale).ok()
}

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// From here on all that is paced in this process together is no faster. The
/// first limit stays.
pub fn limit_rate(rate: Rate) {
    BUCKET.get_or_init(|| Bucket::new(rate));
}

pub fn is_rate_limited() -> bool {
    BUCKET.get().is_some()
}

/// Waits until this many bytes more may move; at once where nothing is limited.
pub fn pace(bytes: usize) {
    if let Some(bucket) = BUCKET.get() {
        bucket.take(bytes);
    }
}

/// A reader whose bytes count against the limit.
#[derive(Debug)]
pub struct Paced<R>(pub R);

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(bucket) = BUCKET.get() else { return self.0.read(buffer) };
        let most = buffer.len().min(bucket.step);
        let count = self.0.read(&mut buffer[..most])?;
        bucket.take(count);
        Ok(count)
    }
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    /// What goes in one piece, so that a slow transfer is no series of jolts.
    step: usize,
    /// When all that was let through so far will have had its time.
    paid: Mutex<Instant>,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        let step = usize::try_from(rate.0.get() / 10).unwrap_or(usize::MAX).max(1024);
        Self { rate, step, paid: Mutex::new(Instant::now()) }
    }

    fn take(&self, bytes: usize) {
        std::thread::sleep(self.reserve(bytes, Instant::now()));
    }

    /// How long to wait. Time that nobody used is lost: no burst makes up for it.
    fn reserve(&self, bytes: usize, now: Instant) -> Duration {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.rate.0.get());
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(now) + cost;
        *paid - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_curl_reads_them() {
        for (text, bytes) in [
            ("1", 1),
            ("500K", 512_000),
            ("20m", 20 << 20),
            ("1G", 1 << 30),
            ("1.5M", 3 << 19),
            (".5k", 512),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().0.get(), bytes, "{text}");
        }
        for text in ["", "0", "K", ".", "-1", "1T", "1 M", "1KK", "0.0001", "1e3", "é"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert!("99999999999999999G".parse::<Rate>().is_err(), "more than fits");
    }

    #[test]
    fn all_together_are_no_faster() {
        let bucket = Bucket::new("1000".parse().unwrap());
        let now = Instant::now();
        *bucket.paid.lock().unwrap() = now;
        assert_eq!(bucket.reserve(100, now), Duration::from_millis(100));
        assert_eq!(bucket.reserve(100, now), Duration::from_millis(200), "a second one queues");
        let later = now + Duration::from_secs(9);
        assert_eq!(bucket.reserve(500, later), Duration::from_millis(500), "nothing was saved up");
    }

    #[test]
    fn nothing_is_waited_for_where_nothing_is_limited() {
        let begun = Instant::now();
        pace(usize::MAX);
        let mut bytes = Vec::new();
        Paced(&b"abc"[..]).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"abc");
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}
