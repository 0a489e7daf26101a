//! The one retry layer: exponential back-off with full jitter.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An error that may pass by itself.
pub trait Transient: std::fmt::Display {
    fn is_transient(&self) -> bool;

    /// How long the other side asked to be left alone.
    fn retry_after(&self) -> Option<Duration>;
}

/// Ends the waiting of all that share it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long the other side may ask to be left alone; a quota is of a minute or two.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// How often and how patiently. Cloud Storage's guide asks for a factor of two
/// and a cap; five retries ride out some 15 seconds of trouble on average,
/// which is as long as someone in front of a terminal believes in it.
#[derive(Clone, Debug)]
pub struct Policy {
    pub retries: u32,
    pub first: Duration,
    pub cap: Duration,
    /// Whether anybody waits at all; tests do not.
    pub waits: bool,
    /// Once it is set, what has failed is not tried again.
    pub stop: Stop,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 5,
            first: Duration::from_secs(1),
            cap: Duration::from_secs(32),
            waits: true,
            stop: Stop::default(),
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
        policy.waits = number("AIP_TEST_NO_RETRY_DELAY").is_none();
        policy
    }

    /// The delay comes on top of what was asked for: else many that were told the
    /// same would all be back at once.
    fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        asked.unwrap_or_default().saturating_add(self.delay(attempt))
    }

    /// Ends early when it is stopped.
    fn pause(&self, wait: Duration) {
        let begun = Instant::now();
        while self.waits && !self.stop.is_set() {
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    fn delay(&self, attempt: u32) -> Duration {
        let ceiling = self.first.saturating_mul(1 << attempt.min(16)).min(self.cap);
        // Full jitter. The hasher's random keys are all the randomness it takes.
        let random = RandomState::new().hash_one(attempt) % 1000;
        ceiling.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 1000.0)
    }
}

/// Nobody waits longer to hear that it is stopped.
const SLICE: Duration = Duration::from_millis(250);

/// Whoever looks on is told of longer waits.
const LONG: Duration = Duration::from_secs(10);

/// Many may be asked to wait at once: one of them says so.
fn say(wait: Duration, error: &impl std::fmt::Display) {
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.is_none_or(|said| said.elapsed() > LONG) {
        *said = Some(Instant::now());
        log::info!("waiting {:.0} s, as was asked for: {error}", wait.as_secs_f32());
    }
}

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
        if asked.is_some_and(|asked| asked > PATIENCE) {
            return Err(error);
        }
        let wait = policy.wait(attempt, asked);
        log::debug!("trying again in {:.1} s: {error}", wait.as_secs_f32());
        if policy.waits && asked.is_some() && wait > LONG {
            say(wait, &error);
        }
        policy.pause(wait);
        if policy.stop.is_set() {
            return Err(error);
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HttpError;

    fn at_once() -> Policy {
        Policy { retries: 3, waits: false, ..Policy::default() }
    }

    fn failing(
        policy: &Policy,
        times: u32,
        status: u16,
        asked: &str,
    ) -> (u32, Result<(), HttpError>) {
        let mut calls = 0;
        let result = retry(policy, || {
            calls += 1;
            if calls > times {
                return Ok(());
            }
            Err(HttpError::answer("GET", "http://h", status, Some(asked), b""))
        });
        (calls, result)
    }

    #[test]
    fn transient_errors_are_tried_again_and_others_are_not() {
        let policy = at_once();
        assert!(matches!(failing(&policy, 2, 503, "9"), (3, Ok(()))));
        assert!(matches!(failing(&policy, 9, 503, "9"), (4, Err(_))));
        assert!(matches!(failing(&policy, 9, 404, "9"), (1, Err(_))));
    }

    #[test]
    fn who_is_asked_for_too_much_gives_up() {
        let policy = at_once();
        assert!(matches!(failing(&policy, 1, 429, "300"), (2, Ok(()))));
        let (calls, result) = failing(&policy, 1, 429, "301");
        assert_eq!(calls, 1);
        let said = result.unwrap_err().to_string();
        assert_eq!(said, "GET http://h/: 429, and asks for a wait of 301 s");
    }

    #[test]
    fn who_is_stopped_waits_no_longer() {
        let policy = Policy::default();
        let begun = Instant::now();
        let calls = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| failing(&policy, 9, 429, "60").0);
            std::thread::sleep(Duration::from_millis(50));
            policy.stop.set();
            waiting.join().unwrap()
        });
        assert_eq!(calls, 1);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn who_gets_on_has_not_failed_too_often() {
        let broken = || HttpError::no_answer("GET", "http://h", &"reset");
        let run = |step: u64| {
            let mut at = 0;
            retry_moving(
                &at_once(),
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
        for asked in [0, 7, 120, u64::MAX].map(Duration::from_secs) {
            let wait = policy.wait(0, Some(asked));
            assert!(wait >= asked && wait <= asked.saturating_add(policy.first));
        }
        assert!(policy.wait(0, None) <= policy.first);
        let waits = [(); 8].map(|()| policy.wait(3, Some(Duration::ZERO)));
        assert!(waits.iter().any(|wait| *wait != waits[0]), "not all at once");
    }

    #[test]
    fn delays_grow_up_to_the_cap() {
        let policy = Policy::default();
        for attempt in 0..40 {
            assert!(policy.delay(attempt) <= policy.cap);
        }
    }
}
