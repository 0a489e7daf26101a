//! A header that a person wants on every request.

use std::fmt;
use std::str::FromStr;

use deployment::{Explain, Kind};
use thiserror::Error;
use ureq::http::{HeaderName, HeaderValue};

/// What the requests themselves say; said twice, it would say two things.
const OURS: [&str; 11] = [
    "authorization",
    "connection",
    "content-length",
    "content-range",
    "content-type",
    "expect",
    "host",
    "range",
    "transfer-encoding",
    "x-goog-gcs-idempotency-token",
    "x-goog-hash",
];

/// Keys that the caller supplies with each request.
const OWN_KEYS: [&str; 2] = ["x-goog-encryption-", "x-goog-copy-source-encryption-"];

/// `Name: value`. The value may be a secret, such as a gateway's token, and so
/// is never shown.
#[derive(Clone)]
pub struct Header {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

#[derive(Debug, Error)]
pub enum HeaderError {
    #[error("a header is of the form 'Name: value'")]
    Malformed,
    #[error("the header '{0}' is set by the requests themselves")]
    Ours(String),
    #[error("the header '{0}' is of a key of your own for encryption, which is not supported")]
    Encryption(String),
    #[error("cannot read '{path}'")]
    Unreadable { path: String, source: std::io::Error },
}

impl Explain for HeaderError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed | Self::Ours(_) | Self::Encryption(_) => Kind::Usage,
            Self::Unreadable { .. } => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Malformed => Some("write --header 'NAME: VALUE', or @FILE".into()),
            Self::Encryption(_) => Some(
                "keep the key in Cloud KMS and make it the bucket's default: \
                 gcloud storage buckets update --default-encryption-key"
                    .into(),
            ),
            Self::Ours(_) | Self::Unreadable { .. } => None,
        }
    }
}

impl Header {
    /// `Name: value`, or `@FILE` with one on each line, as curl has it: what is
    /// in a file is not in the list of processes.
    pub fn parse(text: &str) -> Result<Vec<Self>, HeaderError> {
        let Some(path) = text.strip_prefix('@') else { return Ok(vec![text.parse()?]) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| HeaderError::Unreadable { path: path.into(), source })?;
        text.lines().filter(|line| !line.trim().is_empty()).map(str::parse).collect()
    }
}

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let (name, value) = text.split_once(':').ok_or(HeaderError::Malformed)?;
        let name: HeaderName = name.trim().parse().map_err(|_| HeaderError::Malformed)?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| HeaderError::Malformed)?;
        if OURS.contains(&name.as_str()) {
            return Err(HeaderError::Ours(name.to_string()));
        }
        // The service tells no checksum of such objects, and so nothing could be
        // compared; nor could Vertex AI read them.
        if OWN_KEYS.iter().any(|prefix| name.as_str().starts_with(prefix)) {
            return Err(HeaderError::Encryption(name.to_string()));
        }
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({}: …)", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_values_are_not_shown() {
        let header: Header = "X-Goog-User-Project:  acme:eu ".parse().unwrap();
        assert_eq!(
            (header.name.as_str(), header.value.as_bytes()),
            ("x-goog-user-project", &b"acme:eu"[..])
        );
        assert!(!format!("{header:?}").contains("acme"));
        for bad in ["", "x", "a b: c", ": c", "a: b\nc: d", "Content-Length: 1", "AUTHORIZATION: x"]
        {
            assert!(bad.parse::<Header>().is_err(), "{bad}");
        }
        for own in ["X-Goog-Encryption-Key: x", "x-goog-copy-source-encryption-algorithm: AES256"] {
            let error = own.parse::<Header>().unwrap_err();
            assert!(matches!(error, HeaderError::Encryption(_)), "{own}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "A: 1\n\nB: 2\n").unwrap();
        assert_eq!(Header::parse(&format!("@{}", file.path().display())).unwrap().len(), 2);
        assert!(Header::parse("@/nowhere").is_err());
    }
}
