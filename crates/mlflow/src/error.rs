//! Why a model cannot be had.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deployment::{Explain, Kind, is_full};
use thiserror::Error;
use transport::{HttpError, Transient};

#[derive(Debug, Error)]
pub enum Error {
    /// A value was given wrongly.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    /// What was asked for is not there; the hint says what is.
    #[error("{message}")]
    Missing { message: String, hint: Option<String> },
    /// More than one thing answers to the name.
    #[error("{message}")]
    Ambiguous { message: String, choices: Vec<String> },
    /// The tracking server refused or did not answer.
    #[error("{what}")]
    Http {
        what: String,
        #[source]
        source: Box<HttpError>,
        hint: Option<String>,
    },
    /// What came is not what was listed or promised.
    #[error("{message}")]
    Broken { message: String, hint: Option<String> },
    /// A transfer broke off; it may work when tried again.
    #[error("'{path}' broke off after {got} bytes")]
    Interrupted {
        path: String,
        got: u64,
        #[source]
        source: io::Error,
    },
    #[error("cannot {action} '{}'", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// From a source that this crate does not know.
    #[error("{what}")]
    Source {
        what: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
        kind: Kind,
        hint: Option<String>,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Error {
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn missing(message: impl Into<String>, hint: Option<String>) -> Self {
        Self::Missing { message: message.into(), hint }
    }

    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self::Broken { message: message.into(), hint: None }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }

    /// Whether another run may come further: what broke may work by then, and
    /// somebody may have made room on a disk.
    pub fn may_pass(&self) -> bool {
        self.is_transient() || matches!(self, Self::File { source, .. } if is_full(source))
    }

    /// The status that the server answered with.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Http { source, .. } => source.status(),
            _ => None,
        }
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Usage { .. } | Self::Ambiguous { .. } => Kind::Usage,
            Self::Missing { .. } => Kind::Refused,
            Self::Http { source, .. } => source.kind(),
            Self::Broken { .. } | Self::File { .. } => Kind::Failed,
            Self::Interrupted { .. } => Kind::Unavailable,
            Self::Source { kind, .. } => *kind,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. }
            | Self::Missing { hint, .. }
            | Self::Broken { hint, .. }
            | Self::Source { hint, .. } => hint.clone(),
            Self::Http { source, hint, .. } => hint.clone().or_else(|| source.hint()),
            Self::Ambiguous { choices, .. } => {
                Some(format!("take one of them:\n  {}", choices.join("\n  ")))
            }
            Self::File { source, .. } if is_full(source) => {
                Some("make room there, or give --output a directory elsewhere".into())
            }
            Self::File { action, source, .. } if *action != "read" && is_forbidden(source) => Some(
                "give --output, or --work-dir or tmp_dir, a directory that you may write to".into(),
            ),
            Self::File { .. } | Self::Interrupted { .. } => None,
        }
    }

    fn http_status(&self) -> Option<u16> {
        match self {
            Self::Missing { .. } => Some(404),
            _ => self.status(),
        }
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        self.kind() == Kind::Unavailable
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { source, .. } => source.retry_after(),
            Self::Source { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_write_has_a_way_out() {
        let hint = |action| {
            Error::file(action, Path::new("/x"), io::ErrorKind::PermissionDenied.into()).hint()
        };
        assert!(hint("create a directory in").unwrap().contains("--work-dir"));
        assert!(hint("read").is_none(), "what is read is elsewhere");
    }

    #[test]
    fn a_full_disk_has_a_way_out() {
        let error = Error::file("write", Path::new("/x"), io::ErrorKind::StorageFull.into());
        assert_eq!(
            error.hint().unwrap(),
            "make room there, or give --output a directory elsewhere"
        );
        assert!(error.may_pass() && !error.is_transient());
        assert!(
            Error::file("write", Path::new("/x"), io::ErrorKind::NotFound.into()).hint().is_none()
        );
    }
}
