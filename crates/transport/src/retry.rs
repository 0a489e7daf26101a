//! The one retry layer: exponential back-off with full jitter.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// An error that may pass by itself.
pub trait Transient: std::fmt::Display {
    fn is_transient(&self) -> bool;

    /// How long the other side asked to be left alone.
    fn retry_after(&self) -> Option<Duration>;
}

/// How often and how patiently. Cloud Storage's guide asks for a factor of two
/// and a cap; five retries ride out some 15 seconds of trouble on average,
/// which is as long as someone in front of a terminal believes in it.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub retries: u32,
    pub first: Duration,
    pub cap: Duration,
    /// How long the other side may ask to be left alone; a quota is of a minute or two.
    pub patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 5,
            first: Duration::from_secs(1),
            cap: Duration::from_secs(32),
            patience: Duration::from_secs(300),
        }
    }
}

impl Policy {
    /// The default, but for `AIP_MAX_RETRIES` and, in tests, no delays.
    pub fn from_env() -> Self {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let mut policy = Self::default();
        if let Some(retries) = number("AIP_MAX_RETRIES") {
            policy.retries = retries;
        }
        if number("AIP_TEST_NO_RETRY_DELAY").is_some() {
            policy.first = Duration::ZERO;
            policy.cap = Duration::ZERO;
            policy.patience = Duration::ZERO;
        }
        policy
    }

    /// Who is asked to wait does, as often as it may try again.
    fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        asked.map_or_else(|| self.delay(attempt), |asked| asked.min(self.patience))
    }

    fn delay(&self, attempt: u32) -> Duration {
        let ceiling = self.first.saturating_mul(1 << attempt.min(16)).min(self.cap);
        // Full jitter. The hasher's random keys are all the randomness it takes.
        let random = RandomState::new().hash_one(attempt) % 1000;
        ceiling.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 1000.0)
    }
}

/// Whoever looks on is told of longer waits.
const LONG: Duration = Duration::from_secs(10);

/// So much further counts as getting on.
const PROGRESS: u64 = 64 * 1024;

/// Calls `work` until it succeeds, fails for good, or has failed too often.
/// Only for work that may be done twice.
pub fn retry<T, E: Transient>(
    policy: &Policy,
    mut work: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    retry_moving(policy, &mut (), |()| 0, |()| work())
}

/// The same for a transfer that goes on where it broke off: as long as its
/// `position` moves on, it has not failed too often.
pub fn retry_moving<S, T, E: Transient>(
    policy: &Policy,
    state: &mut S,
    position: impl Fn(&S) -> u64,
    mut work: impl FnMut(&mut S) -> Result<T, E>,
) -> Result<T, E> {
    let mut attempt = 0;
    let mut reached = position(state);
    loop {
        let error = match work(state) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if position(state) >= reached + PROGRESS {
            (attempt, reached) = (0, position(state));
        }
        if !error.is_transient() || attempt >= policy.retries {
            return Err(error);
        }
        let asked = error.retry_after();
        let delay = policy.wait(attempt, asked);
        if asked.is_some() && delay > LONG {
            log::info!("waiting {:.0} s, as was asked for: {error}", delay.as_secs_f32());
        } else {
            log::debug!("trying again in {:.1} s: {error}", delay.as_secs_f32());
        }
        std::thread::sleep(delay);
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HttpError;

    const AT_ONCE: Policy =
        Policy { retries: 3, first: Duration::ZERO, cap: Duration::ZERO, patience: Duration::ZERO };

    fn failing(times: u32, status: u16) -> (u32, Result<(), HttpError>) {
        let mut calls = 0;
        let result = retry(&AT_ONCE, || {
            calls += 1;
            if calls > times {
                return Ok(());
            }
            Err(HttpError::answer("GET", "http://h", status, Some("9"), b""))
        });
        (calls, result)
    }

    #[test]
    fn transient_errors_are_tried_again_and_others_are_not() {
        assert!(matches!(failing(2, 503), (3, Ok(()))));
        assert!(matches!(failing(9, 503), (4, Err(_))));
        assert!(matches!(failing(9, 404), (1, Err(_))));
    }

    #[test]
    fn who_gets_on_has_not_failed_too_often() {
        let broken = || HttpError::no_answer("GET", "http://h", &"reset");
        let run = |step: u64| {
            let mut at = 0;
            retry_moving(
                &AT_ONCE,
                &mut at,
                |at| *at,
                |at| {
                    *at += step;
                    if *at < 20 * PROGRESS { Err(broken()) } else { Ok(()) }
                },
            )
        };
        assert!(run(PROGRESS).is_ok());
        assert!(run(PROGRESS / 2).is_ok());
        assert!(run(PROGRESS / 8).is_err(), "a byte now and then is no progress");
    }

    #[test]
    fn who_is_asked_to_wait_does() {
        let policy = Policy::default();
        let wait = |seconds| policy.wait(0, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([0, 7, 120, 300, 301, u64::MAX].map(wait), [0, 7, 120, 300, 300, 300]);
        assert!(policy.wait(0, None) <= policy.first);
    }

    #[test]
    fn delays_grow_up_to_the_cap() {
        let policy = Policy::default();
        for attempt in 0..40 {
            assert!(policy.delay(attempt) <= policy.cap);
        }
    }
}
