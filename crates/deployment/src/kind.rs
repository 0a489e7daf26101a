//! What a script should do about an error.

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
