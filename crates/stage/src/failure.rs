//! What a tool says when it fails, and the exit status it ends with.

use std::error::Error;
use std::fmt;

use deployment::{Explain, Kind};

/// A failure as it is shown: one sentence, its causes in order, the next steps.
#[derive(Clone, Debug)]
pub struct Failure {
    pub(crate) status: u8,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hints: Vec<String>,
    pub(crate) http_status: Option<u16>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            status: exit_status(kind),
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            http_status: None,
        }
    }

    /// Something here went wrong.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The document cannot be used.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// Ended by a signal: as a shell would report it.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self { status: 130, ..Self::failed(message) }
    }

    /// The same failure, where more is known of its kind.
    #[must_use]
    pub fn of(mut self, kind: Kind) -> Self {
        self.status = exit_status(kind);
        self
    }

    pub fn is(&self, kind: Kind) -> bool {
        self.status == exit_status(kind)
    }

    /// Puts `message` in front: what could not be done because of this.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, message.into()));
        self
    }

    #[must_use]
    pub fn cause(mut self, error: &(dyn Error + 'static)) -> Self {
        self.causes.extend(chain(Some(error)));
        self
    }

    /// A cause that is known by its text alone.
    #[must_use]
    pub fn because(mut self, text: impl Into<String>) -> Self {
        self.causes.push(text.into());
        self
    }

    /// The HTTP status that it is about, or that an API would give it: a program
    /// that runs this tool tells by it what is there already from what is not.
    #[must_use]
    pub fn http_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// On one line, for a failure that is only a part of another's story.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// The one place where a kind of error becomes an exit status.
fn exit_status(kind: Kind) -> u8 {
    match kind {
        Kind::Failed => 1,
        Kind::Usage => 2,
        Kind::Input => 3,
        Kind::Refused => 4,
        Kind::Unavailable => 5,
    }
}

impl<E: Explain + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            causes: chain(error.source()),
            hints: error.hint().into_iter().collect(),
            http_status: error.http_status(),
            ..Self::new(error.kind(), error.to_string())
        }
    }
}

/// The causes, each once: some errors repeat their source in their own text.
fn chain(mut error: Option<&(dyn Error + 'static)>) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    while let Some(cause) = error {
        let text = cause.to_string();
        if !causes.last().is_some_and(|last| last.ends_with(&text)) {
            causes.push(text);
        }
        error = cause.source();
    }
    causes
}
