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

/// `Name: value`. The value may be a secret, such as an encryption key, and so
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
    #[error("cannot read '{path}'")]
    Unreadable { path: String, source: std::io::Error },
}

impl Explain for HeaderError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed | Self::Ours(_) => Kind::Usage,
            Self::Unreadable { .. } => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Malformed).then(|| "write --header 'NAME: VALUE', or @FILE".into())
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
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "A: 1\n\nB: 2\n").unwrap();
        assert_eq!(Header::parse(&format!("@{}", file.path().display())).unwrap().len(), 2);
        assert!(Header::parse("@/nowhere").is_err());
    }
}
