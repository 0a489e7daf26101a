//! What can go wrong with a Google service.

use deployment::{Explain, Kind};
use thiserror::Error;
use transport::{HttpError, Transient};

use crate::credentials::CredentialsError;

#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("cannot read '{path}'")]
    Local { path: String, source: std::io::Error },
    #[error("'{path}' has changed since it was hashed")]
    Changed { path: String },
    /// The service claims to have what nobody sent.
    #[error("the service has {there} bytes of '{path}', of which {sent} were sent at most")]
    Ahead { path: String, there: u64, sent: u64 },
    #[error("another upload has failed")]
    Stopped,
}

impl Error {
    /// The service's HTTP status, where it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Http(error) => error.status(),
            Self::Credentials(_)
            | Self::Local { .. }
            | Self::Changed { .. }
            | Self::Ahead { .. }
            | Self::Stopped => None,
        }
    }

    /// Whether the service got other bytes than were sent. A file that is not
    /// what it was is noticed here, before its last bytes leave.
    pub fn is_damage(&self) -> bool {
        self.status() == Some(400) && self.to_string().contains("doesn't match calculated")
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Http(error) => error.kind(),
            Self::Credentials(error) => error.kind(),
            Self::Local { .. } | Self::Changed { .. } | Self::Ahead { .. } | Self::Stopped => {
                Kind::Failed
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Http(error) if error.status() == Some(401) => Some(
                "the credentials are missing or no longer valid; see 'Credentials' in the README"
                    .into(),
            ),
            Self::Http(HttpError::NoAnswer { .. }) => {
                Some("look at the network and at the endpoint settings, then run it again".into())
            }
            Self::Credentials(error) => error.hint(),
            Self::Changed { .. } => Some("run mlf-fetch and aip-bundle again".into()),
            Self::Ahead { .. } => Some("run it again: the file is then sent anew".into()),
            Self::Http(error) => error.hint(),
            Self::Local { .. } | Self::Stopped => None,
        }
    }

    fn http_status(&self) -> Option<u16> {
        match self {
            Self::Credentials(error) => error.http_status(),
            _ => self.status(),
        }
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_transient())
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Http(error) => error.retry_after(),
            Self::Credentials(_)
            | Self::Local { .. }
            | Self::Changed { .. }
            | Self::Ahead { .. }
            | Self::Stopped => None,
        }
    }
}
