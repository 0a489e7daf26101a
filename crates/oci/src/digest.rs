//! What content is addressed by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// `sha256:` and 64 hexadecimal digits: the only algorithm in use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(String);

#[derive(Debug, Error)]
#[error("'{0}' is not a digest of the form sha256:HEX")]
pub struct DigestError(String);

const ALGORITHM: &str = "sha256:";

impl Digest {
    pub fn of(content: &[u8]) -> Self {
        Self(checksum::Digest::of_bytes(content).sha256)
    }

    /// The digits alone: the blob's name in a layout.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl From<checksum::Digest> for Digest {
    fn from(digest: checksum::Digest) -> Self {
        Self(digest.sha256)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let hex = text.strip_prefix(ALGORITHM).filter(|hex| hex.len() == 64);
        let hex = hex.filter(|hex| hex.chars().all(is_hex));
        hex.map(|hex| Self(hex.into())).ok_or_else(|| DigestError(text.into()))
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_digest() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse::<Digest>().unwrap().hex(), &empty[7..]);
        let upper = empty.to_uppercase().replace("SHA256", "sha256");
        for bad in ["", "sha256:", &empty[7..], &empty[..70], &upper, "sha256:../../etc"] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
