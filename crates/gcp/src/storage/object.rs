//! What the service says of an object.

use std::time::SystemTime;

use serde_json::Value;
use transport::{Crc32c, HttpError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    pub name: String,
    pub size: u64,
    /// The service tells none of an object that is encrypted with a key that only
    /// its owner has.
    pub crc32c: Option<Crc32c>,
    pub generation: u64,
    /// Known where it was asked for.
    pub created: Option<SystemTime>,
}

impl ObjectMeta {
    /// The API writes 64-bit integers as strings.
    pub(super) fn parse(method: &'static str, url: &str, item: &Value) -> Result<Self, HttpError> {
        let text = |key: &str| item[key].as_str();
        let number = |key: &str| text(key).and_then(|text| text.parse().ok());
        let crc32c = text("crc32c").and_then(|sum| sum.parse().ok());
        match (text("name"), number("size"), number("generation")) {
            (Some(name), Some(size), Some(generation)) => {
                let created = text("timeCreated");
                let created = created.and_then(|time| humantime::parse_rfc3339(time).ok());
                Ok(Self { name: name.into(), size, crc32c, generation, created })
            }
            _ => Err(HttpError::unreadable(
                method,
                url,
                &"the answer is not an object with name, size and generation",
            )),
        }
    }

    pub fn holds(&self, size: u64, crc32c: &str) -> bool {
        self.size == size && self.crc32c.is_some_and(|sum| Ok(sum) == crc32c.parse())
    }

    /// As messages tell it.
    pub fn content(&self) -> String {
        let crc32c = self.crc32c.map_or_else(|| "unknown".into(), |sum| sum.to_string());
        format!("{} bytes with crc32c {crc32c}", self.size)
    }
}

/// A page of a listing, and what the next one is asked for with.
pub(super) fn page(
    url: &str,
    page: &Value,
) -> Result<(Vec<ObjectMeta>, Option<String>), HttpError> {
    let items = page["items"].as_array().into_iter().flatten();
    let objects =
        items.map(|item| ObjectMeta::parse("GET", url, item)).collect::<Result<_, _>>()?;
    // An empty one would ask for the first page, without end.
    let next = page["nextPageToken"].as_str().filter(|token| !token.is_empty());
    Ok((objects, next.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_with_a_key_of_its_owners_spoils_no_listing() {
        let answer = json!({"items": [
            {"name": "a", "size": "1", "crc32c": "AAAAAA==", "generation": "7"},
            {"name": "b", "size": "1", "generation": "8"},
            {"name": "c", "size": "1", "generation": "9", "crc32c": "what?"},
        ], "nextPageToken": ""});
        let (objects, next) = page("http://h", &answer).unwrap();
        assert!(objects[0].holds(1, "AAAAAA==") && !objects[1].holds(1, "AAAAAA=="));
        assert!(!objects[1].holds(1, ""), "what is not known is not the same");
        assert!(!objects[2].holds(1, "what?"));
        assert_eq!(objects[1].content(), "1 bytes with crc32c unknown");
        assert_eq!(next, None);
        let other = json!({"name": "a", "size": "1"});
        assert!(page("http://h", &json!({"items": [other]})).is_err());
    }
}
