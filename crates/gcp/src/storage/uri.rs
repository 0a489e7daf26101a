//! `gs://bucket/name`, and names in URLs.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

/// Everything but RFC 3986's unreserved characters: an object's name is one
/// segment of a path, slashes and all.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn segment(name: &str) -> impl fmt::Display {
    utf8_percent_encode(name, SEGMENT)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GsUri {
    pub bucket: String,
    /// May be empty, or a prefix.
    pub name: String,
}

#[derive(Debug, Error)]
#[error("'{0}' is not of the form gs://bucket/name")]
pub struct GsUriError(String);

impl FromStr for GsUri {
    type Err = GsUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("gs://").ok_or_else(|| GsUriError(text.into()))?;
        let (bucket, name) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(GsUriError(text.into()));
        }
        Ok(Self { bucket: bucket.into(), name: name.into() })
    }
}

impl fmt::Display for GsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gs://{}/{}", self.bucket, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_segment() {
        assert_eq!(segment("m/x y+é%2F").to_string(), "m%2Fx%20y%2B%C3%A9%252F");
    }

    #[test]
    fn uris_split_after_the_bucket() {
        let uri: GsUri = "gs://b/a/b c".parse().unwrap();
        assert_eq!((uri.bucket.as_str(), uri.name.as_str()), ("b", "a/b c"));
        assert_eq!(uri.to_string(), "gs://b/a/b c");
        assert_eq!("gs://b".parse::<GsUri>().unwrap().name, "");
        assert!("s3://b/x".parse::<GsUri>().is_err() && "gs:///x".parse::<GsUri>().is_err());
    }

    proptest::proptest! {
        /// What is taken is shown as it was written, and no name changes the
        /// address that it is part of.
        #[test]
        fn nothing_is_lost(text in "(gs://)?[a/.:#?%é\r\n ]{0,12}") {
            if let Ok(uri) = text.parse::<GsUri>() {
                let shown = uri.to_string();
                proptest::prop_assert_eq!(shown.trim_end_matches('/'), text.trim_end_matches('/'));
                proptest::prop_assert_eq!(&shown.parse::<GsUri>().unwrap(), &uri);
                proptest::prop_assert!(!uri.bucket.is_empty() && !uri.bucket.contains('/'));
            }
            let segment = segment(&text).to_string();
            proptest::prop_assert!(segment.bytes().all(|b| b.is_ascii_graphic() && !b"/?#".contains(&b)));
            let decoded = percent_encoding::percent_decode_str(&segment).decode_utf8().unwrap();
            proptest::prop_assert_eq!(decoded, text);
        }
    }
}
