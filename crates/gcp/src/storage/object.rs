//! What the service says of an object.

use std::time::SystemTime;

use serde_json::Value;
use transport::HttpError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    pub name: String,
    pub size: u64,
    /// Base64 of four big-endian bytes.
    pub crc32c: String,
    pub generation: u64,
    /// Known where it was asked for.
    pub created: Option<SystemTime>,
}

impl ObjectMeta {
    /// The API writes 64-bit integers as strings.
    pub(super) fn parse(method: &'static str, url: &str, item: &Value) -> Result<Self, HttpError> {
        let text = |key: &str| item[key].as_str();
        let number = |key: &str| text(key).and_then(|text| text.parse().ok());
        match (text("name"), number("size"), text("crc32c"), number("generation")) {
            (Some(name), Some(size), Some(crc32c), Some(generation)) => {
                let created = text("timeCreated");
                let created = created.and_then(|time| humantime::parse_rfc3339(time).ok());
                Ok(Self { name: name.into(), size, crc32c: crc32c.into(), generation, created })
            }
            _ => Err(HttpError::unreadable(
                method,
                url,
                &"the answer is not an object with name, size, crc32c and generation",
            )),
        }
    }

    pub fn holds(&self, size: u64, crc32c: &str) -> bool {
        self.size == size && self.crc32c == crc32c
    }
}
