//! What a script should do about an error.

use std::io;

/// The one distinction between errors that reaches the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something here went wrong: look.
    Failed,
    /// The command was given wrongly: fix it.
    Usage,
    /// The input cannot be used: look at the stage before.
    Input,
    /// A service refused: fix the cause, then run again.
    Refused,
    /// A service did not answer: run again later.
    Unavailable,
}

/// Whether a disk, or the caller's share of it, is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An error that knows what should be done about it.
pub trait Explain: std::error::Error {
    fn kind(&self) -> Kind;

    /// The next step: names a command or a setting.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The HTTP status that a service answered with.
    fn http_status(&self) -> Option<u16> {
        None
    }
}
