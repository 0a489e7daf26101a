//! CRC-32C and MD5 as Cloud Storage writes and checks them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde::Deserialize;

use crate::error::ApiError;

/// Both sums of what has been fed so far. Cheap to clone: a snapshot lets a
/// broken upload go back to where it was safe.
#[derive(Clone, Default)]
pub(super) struct Hasher {
    crc32c: u32,
    /// Costs twenty times the other, so only where somebody wants it
    md5: Option<Md5>,
}

impl Hasher {
    pub(super) fn new(with_md5: bool) -> Self {
        Self { crc32c: 0, md5: with_md5.then(Md5::default) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Sums {
        let encode = |md5: Md5| STANDARD.encode(<[u8; 16]>::from(md5.finalize()));
        Sums { crc32c: encode_crc32c(self.crc32c), md5: self.md5.map(encode) }
    }
}

/// The MD5 of content that was not asked for it while it came.
pub(super) fn md5_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new(true);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish().md5.unwrap_or_default()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// The sums of a finished object. A composed one has no MD5; of others it may
/// not be known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) crc32c: String,
    pub(super) md5: Option<String>,
}

pub(super) fn encode_crc32c(sum: u32) -> String {
    STANDARD.encode(sum.to_be_bytes())
}

pub(super) fn decode_crc32c(text: &str) -> Option<u32> {
    STANDARD.decode(text).ok()?.try_into().ok().map(u32::from_be_bytes)
}

/// What the sender says the sums are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Expected {
    crc32c: Option<String>,
    #[serde(rename = "md5Hash")]
    md5: Option<String>,
}

impl Expected {
    /// From `x-goog-hash: crc32c=…,md5=…`, which may come as several headers.
    /// One that is not understood would not be checked, and so is refused.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut expected = Self::default();
        for value in headers.get_all("x-goog-hash") {
            let value = String::from_utf8_lossy(value.as_bytes());
            for part in value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                expected.take(part).ok_or_else(|| {
                    let message = format!("Invalid x-goog-hash header: '{part}'.");
                    ApiError::storage(400, "invalid", message).at("header", "x-goog-hash")
                })?;
            }
        }
        Ok(expected)
    }

    /// Takes up `ALGORITHM=BASE64`, if it is that and says nothing else than
    /// before.
    fn take(&mut self, part: &str) -> Option<()> {
        let (algorithm, sum) = part.split_once('=')?;
        let (slot, length) = match algorithm {
            "crc32c" => (&mut self.crc32c, size_of::<u32>()),
            "md5" => (&mut self.md5, 16),
            _ => return None,
        };
        let valid = STANDARD.decode(sum).is_ok_and(|bytes| bytes.len() == length);
        (valid && slot.get_or_insert_with(|| sum.to_owned()) == sum).then_some(())
    }

    pub(super) fn needs_md5(&self) -> bool {
        self.md5.is_some()
    }

    pub(super) fn check(&self, sums: &Sums) -> Result<(), ApiError> {
        let invalid = |message| Err(ApiError::storage(400, "invalid", message));
        if let Some(provided) = &self.crc32c
            && *provided != sums.crc32c
        {
            return invalid(format!(
                "Provided CRC32C \"{provided}\" doesn't match calculated CRC32C \"{}\".",
                sums.crc32c
            ));
        }
        if let (Some(provided), Some(calculated)) = (&self.md5, &sums.md5)
            && provided != calculated
        {
            return invalid(format!(
                "Provided MD5 hash \"{provided}\" doesn't match calculated MD5 hash \"{calculated}\"."
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn sums(bytes: &[u8]) -> Sums {
        let mut hasher = Hasher::new(true);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn known_values() {
        // RFC 3720, B.4: 32 bytes of zeroes have CRC-32C 0x8a9136aa
        assert_eq!(sums(&[0; 32]).crc32c, "ipE2qg==");
        assert_eq!(sums(b"").crc32c, "AAAAAA==");
        assert_eq!(sums(b"").md5.as_deref(), Some("1B2M2Y8AsgTpgAmY7PhCfg=="));
        assert_eq!(decode_crc32c("ipE2qg=="), Some(0x8a91_36aa));
        assert_eq!(decode_crc32c("ipE2"), None);
    }

    fn expected(values: &[&'static str]) -> Result<Expected, ApiError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-goog-hash", HeaderValue::from_static(value));
        }
        Expected::from_headers(&headers)
    }

    #[test]
    fn headers_in_one_or_in_two() {
        const WRONG: &str = "AAAAAAAAAAAAAAAAAAAAAA==";
        let one = expected(&["crc32c=AAAAAA==, md5=AAAAAAAAAAAAAAAAAAAAAA=="]).unwrap();
        let two = expected(&["crc32c=AAAAAA==", "md5=AAAAAAAAAAAAAAAAAAAAAA=="]).unwrap();
        assert_eq!(one, two);
        let message = one.check(&sums(b"")).expect_err("wrong md5").message().to_owned();
        let known = "1B2M2Y8AsgTpgAmY7PhCfg==";
        assert_eq!(
            message,
            format!("Provided MD5 hash \"{WRONG}\" doesn't match calculated MD5 hash \"{known}\".")
        );
        assert_eq!(expected(&["", "crc32c=AAAAAA==,"]).unwrap().md5, None);
    }

    #[test]
    fn a_header_that_cannot_be_checked_is_refused() {
        for bad in [
            "crc32c",
            "crc32c=",
            "crc32c=AAAA",
            "crc32c=!!!!!!==",
            "crc32c=AAAAAA==, md5=AAAAAA==",
            "sha256=AAAAAA==",
            "CRC32C=AAAAAA==",
            "crc32c=AAAAAA==,crc32c=AAAAAQ==",
        ] {
            let err = expected(&[bad]).expect_err(bad);
            assert_eq!(err.code(), 400, "{bad}");
        }
    }
}
