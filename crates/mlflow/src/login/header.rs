//! A header of one's own, for the gateway that stands before the server.

use std::fs;
use std::path::Path;

use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderName, HeaderValue};

use super::Secret;
use crate::error::Error;

/// Its value is never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(crate) name: HeaderName,
    value: Secret,
}

impl Header {
    /// `Name: value`, or `@FILE` with one on each line, as curl has it: what is
    /// in a file is not in the list of processes.
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        let Some(path) = text.strip_prefix('@') else { return Ok(vec![Self::line(text)?]) };
        let path = Path::new(path);
        let text = fs::read_to_string(path).map_err(|error| Error::file("read", path, error))?;
        text.lines().filter(|line| !line.trim().is_empty()).map(Self::line).collect()
    }

    fn line(text: &str) -> Result<Self, Error> {
        let unusable = |what: &str| {
            Error::usage(format!("a header has {what}"), "write --header 'NAME: VALUE', or @FILE")
        };
        let (name, value) = text.split_once(':').ok_or_else(|| unusable("no colon"))?;
        let name = name.trim().parse().map_err(|_| unusable("no usable name"))?;
        let value = value.trim();
        HeaderValue::from_str(value).map_err(|_| unusable("characters that no header has"))?;
        Ok(Self { name, value: Secret::new(value) })
    }

    pub(super) fn is_authorization(&self) -> bool {
        self.name == AUTHORIZATION
    }

    pub(crate) fn value(&self) -> &str {
        self.value.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_values_not_shown() {
        let headers = Header::parse("X-Api-Key:  s:ecret ").unwrap();
        assert_eq!((headers[0].name.as_str(), headers[0].value()), ("x-api-key", "s:ecret"));
        assert!(!format!("{headers:?}").contains("s:ecret"));
        for text in ["secret", ": secret", "a b: secret", "x: secret\r\ny: z"] {
            let error = Header::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_file_has_one_on_each_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "A: 1\n\nB: 2\n").unwrap();
        let headers = Header::parse(&format!("@{}", file.path().display())).unwrap();
        assert_eq!(headers.len(), 2);
        assert!(Header::parse("@/nowhere").is_err());
    }
}
