//! Ctrl-C while a tool waits for a service.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::failure::Failure;

static INTERRUPTED: Mutex<bool> = Mutex::new(false);
static SIGNAL: Condvar = Condvar::new();

/// From when this exists, the first Ctrl-C or SIGTERM no longer ends the
/// process: it ends the next [`Interrupt::sleep`], so that the tool can say how
/// to go on. The second ends the process at once.
#[derive(Debug)]
pub struct Interrupt(());

impl Interrupt {
    pub fn install() -> Result<Self, Failure> {
        match ctrlc::try_set_handler(interrupt) {
            // There is one handler in a process, and it is this one.
            Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(Self(())),
            Err(error) => Err(Failure::failed("cannot listen for signals").cause(&error)),
        }
    }

    /// Whether the pause passed without a signal.
    pub fn sleep(&self, pause: Duration) -> bool {
        let interrupted = INTERRUPTED.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = SIGNAL.wait_timeout_while(interrupted, pause, |interrupted| !*interrupted);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[expect(clippy::exit, reason = "who asks twice wants the process to end, wherever it is")]
fn interrupt() {
    let before = {
        let mut interrupted = INTERRUPTED.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *interrupted, true)
    };
    if before {
        std::process::exit(130);
    }
    SIGNAL.notify_all();
}
