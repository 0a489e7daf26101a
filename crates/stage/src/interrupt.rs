//! Ctrl-C and SIGTERM while a tool works with a service.

use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use crate::log::Logger;

/// What is said when the signal comes.
static MESSAGE: Mutex<Option<Message>> = Mutex::new(None);

#[derive(Clone, Debug)]
struct Message {
    logger: &'static Logger,
    failure: Failure,
}

/// As long as this lives, Ctrl-C and SIGTERM end the process at once, wherever
/// it is, saying how to go on. Nothing has been written to stdout by then.
#[derive(Debug)]
#[must_use]
pub struct Interrupt {
    outer: Option<Message>,
}

impl Interrupt {
    /// Work within other work: what the other says of going on is said as well.
    pub(crate) fn install(logger: &'static Logger, mut failure: Failure) -> Result<Self, Failure> {
        let mut message = MESSAGE.lock().unwrap_or_else(PoisonError::into_inner);
        let outer = message.take();
        failure.hints.extend(outer.iter().flat_map(|outer| outer.failure.hints.clone()));
        *message = Some(Message { logger, failure });
        drop(message);
        match ctrlc::try_set_handler(interrupt) {
            // There is one handler in a process, and it is this one.
            Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(Self { outer }),
            Err(error) => Err(Failure::failed("cannot listen for signals").cause(&error)),
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        *MESSAGE.lock().unwrap_or_else(PoisonError::into_inner) = self.outer.take();
    }
}

/// Runs on a thread of its own. The work may be in the middle of a request or a
/// pause between two, and has no part in this.
#[expect(clippy::exit, reason = "who asks for the end of the process means it")]
fn interrupt() {
    let message = MESSAGE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Message { logger, failure }) = &*message {
        logger.failure(failure);
    }
    std::process::exit(130);
}
