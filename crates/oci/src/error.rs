//! What can go wrong with an image.

use std::path::PathBuf;

use deployment::{Explain, Kind};
use thiserror::Error;
use transport::{HttpError, Transient};

use crate::{Digest, DigestError, Reference, ReferenceError};

#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Digest(#[from] DigestError),
    #[error("cannot read '{path}'")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write '{path}'")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("'{subject}' hashes to {found}, not to {expected}")]
    Mismatch { subject: String, expected: Digest, found: Digest },
    #[error("'{subject}' has {found} bytes, not {expected}")]
    Size { subject: String, expected: u64, found: u64 },
    #[error("'{subject}' is not {what}")]
    Malformed { subject: String, what: &'static str, source: serde_json::Error },
    #[error("'{reference}' is of format '{media_type}', which is no image")]
    NotAnImage { reference: String, media_type: String },
    #[error("'{reference}' is not for {wanted}, but for {offered}")]
    NoPlatform { reference: String, wanted: String, offered: String },
    #[error("'{path}' holds no image layout")]
    NotALayout { path: PathBuf },
    #[error("'{path}' cannot be the name of a file in a layer")]
    BadName { path: String },
    #[error("'{path}' is a link to '{to}', outside of what is packed")]
    LinkLeaves { path: PathBuf, to: PathBuf },
    #[error("'{path}' is neither a file, a directory nor a link")]
    Special { path: PathBuf },
    #[error("no credential for the registry '{host}'")]
    NoCredential {
        host: String,
        kind: Kind,
        hint: Option<String>,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("will not send credentials in clear text to '{url}'")]
    ClearText { url: String },
    #[error(
        "the registry '{host}' asks for credentials in a way that this build does not know: '{challenge}'"
    )]
    Challenge { host: String, challenge: String },
}

impl Error {
    /// The registry's HTTP status, where it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Http(error) => error.status(),
            _ => None,
        }
    }

    /// The registry's word for the error: `NAME_UNKNOWN`, `DENIED`, …
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Http(error) => error.code(),
            _ => None,
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Http(error) => error.kind(),
            Self::Reference(_) => Kind::Usage,
            Self::NoCredential { kind, .. } => *kind,
            Self::NotAnImage { .. }
            | Self::NoPlatform { .. }
            | Self::ClearText { .. }
            | Self::Challenge { .. } => Kind::Refused,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Http(error) => match error.status() {
                Some(401 | 403) => may_not(&host_of(error)),
                Some(429) => format!(
                    "the registry limits how often it is asked; wait, or log in: docker login {}",
                    host_of(error)
                ),
                None if matches!(error, HttpError::NoAnswer { .. }) => {
                    "look at the network and at the registry's name, then run it again".into()
                }
                _ => return error.hint(),
            },
            Self::NoCredential { hint, .. } => return hint.clone(),
            Self::NoPlatform { .. } => "choose another image with --base-image".into(),
            Self::Mismatch { .. } | Self::Size { .. } | Self::NotALayout { .. } => {
                "make it again: aip-bundle".into()
            }
            Self::ClearText { .. } => "use https, or a registry on this machine".into(),
            _ => return None,
        })
    }

    fn http_status(&self) -> Option<u16> {
        match self {
            Self::NoCredential { .. } => Some(401),
            _ => self.status(),
        }
    }
}

fn may_not(host: &str) -> String {
    if Reference::is_google(host) {
        return "the caller needs roles/artifactregistry.reader there, and \
            roles/artifactregistry.writer to push"
            .into();
    }
    format!("look whether you may do that, or log in: docker login {host}")
}

fn host_of(error: &HttpError) -> String {
    let HttpError::Answer { url, .. } = error else { return String::new() };
    let Ok(url) = url::Url::parse(url) else { return String::new() };
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_transient())
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Http(error) => error.retry_after(),
            _ => None,
        }
    }
}
