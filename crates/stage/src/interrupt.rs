//! Ctrl-C while a tool waits for a service.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::failure::Failure;

/// From when this exists, Ctrl-C and SIGTERM no longer end the process: they
/// end the next [`Interrupt::sleep`], so that the tool can say how to go on.
#[derive(Debug)]
pub struct Interrupt(Receiver<()>);

impl Interrupt {
    pub fn install() -> Result<Self, Failure> {
        let (sender, receiver) = channel();
        ctrlc::set_handler(move || {
            // The receiver lives as long as anyone waits; later signals find
            // nobody and the process is about to end anyway.
            let _ = sender.send(());
        })
        .map_err(|error| Failure::failed("cannot listen for signals").cause(&error))?;
        Ok(Self(receiver))
    }

    /// Whether the pause passed without a signal.
    pub fn sleep(&self, pause: Duration) -> bool {
        matches!(self.0.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
    }
}
