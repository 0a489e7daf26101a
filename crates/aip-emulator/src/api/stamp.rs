//! Times, and what must never come twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Now, as the API writes times.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The same where the API writes fractions, which tell what came first.
pub(crate) fn precise_now() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}

/// A number for names that carry their time: never the same twice.
pub(crate) fn epoch_millis() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let next = |last: u64| now.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    last.map_or(now, next)
}

/// Another one for every change; base64, or Google's own client stumbles.
pub(crate) fn etag() -> String {
    STANDARD.encode(&Sha256::digest(epoch_millis().to_be_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_etags_never_repeat() {
        let numbers: Vec<u64> = (0..1000).map(|_| epoch_millis()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_ne!(etag(), etag());
        assert_eq!(STANDARD.decode(etag()).unwrap().len(), 8);
    }
}
