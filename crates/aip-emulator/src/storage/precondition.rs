//! "Only if the object is still as I saw it."

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use super::object::Object;
use crate::error::ApiError;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Preconditions {
    #[serde(rename = "ifGenerationMatch")]
    pub(super) generation: Option<i64>,
    #[serde(rename = "ifGenerationNotMatch")]
    pub(super) not_generation: Option<i64>,
    #[serde(rename = "ifMetagenerationMatch")]
    pub(super) metageneration: Option<i64>,
    #[serde(rename = "ifMetagenerationNotMatch")]
    pub(super) not_metageneration: Option<i64>,
}

impl Preconditions {
    /// For a write. Generation 0 stands for "there is no object".
    pub(super) fn check(&self, current: Option<&Object>) -> Result<(), ApiError> {
        let generation = current.map_or(0, |object| object.generation);
        let metageneration = current.map(|object| object.metageneration);
        let held = self.generation.is_none_or(|wanted| wanted == generation)
            && self.metageneration.is_none_or(|wanted| metageneration == Some(wanted));
        if !held {
            return Err(failed("If-Match"));
        }
        if self.changed(generation, metageneration) { Ok(()) } else { Err(failed("If-None-Match")) }
    }

    /// For a read: what has not changed is answered 304.
    pub(super) fn check_read(&self, current: &Object) -> Result<(), ApiError> {
        if !self.changed(current.generation, Some(current.metageneration)) {
            return Err(ApiError::storage(304, "notModified", "Not Modified"));
        }
        self.check(Some(current))
    }

    /// The same in HTTP's own terms.
    pub(super) fn check_etags(headers: &HeaderMap, current: &Object) -> Result<(), ApiError> {
        let etag = current.etag();
        let names = |header| {
            let value = headers.get(header).and_then(|value: &HeaderValue| value.to_str().ok());
            let is = |tag: &str| tag == "*" || tag.trim().trim_matches('"') == etag;
            value.map(|tags| tags.split(',').any(is))
        };
        if names(IF_MATCH) == Some(false) {
            return Err(failed("If-Match"));
        }
        if names(IF_NONE_MATCH) == Some(true) {
            return Err(ApiError::storage(304, "notModified", "Not Modified"));
        }
        Ok(())
    }

    fn changed(&self, generation: i64, metageneration: Option<i64>) -> bool {
        self.not_generation.is_none_or(|seen| seen != generation)
            && self.not_metageneration.is_none_or(|seen| metageneration != Some(seen))
    }
}

fn failed(location: &str) -> ApiError {
    let message = "At least one of the pre-conditions you specified did not hold.";
    ApiError::storage(412, "conditionNotMet", message).at("header", location)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::object::Settings;

    fn object(generation: i64, metageneration: i64) -> Object {
        Object {
            bucket: "b".into(),
            name: "n".into(),
            generation,
            metageneration,
            size: 0,
            crc32c: String::new(),
            md5: std::sync::OnceLock::new(),
            component_count: None,
            created: String::new(),
            updated: String::new(),
            settings: Settings::default(),
        }
    }

    #[test]
    fn every_condition_both_ways() {
        let seen = object(7, 2);
        let with = |name: &str, value: i64| -> Preconditions {
            serde_json::from_value(serde_json::json!({ name: value })).unwrap()
        };
        let cases = [
            ("ifGenerationMatch", 7, true, false),
            ("ifGenerationMatch", 8, false, false),
            ("ifGenerationMatch", 0, false, true),
            ("ifGenerationNotMatch", 7, false, true),
            ("ifGenerationNotMatch", 0, true, false),
            ("ifMetagenerationMatch", 2, true, false),
            ("ifMetagenerationMatch", 3, false, false),
            ("ifMetagenerationNotMatch", 2, false, true),
            ("ifMetagenerationNotMatch", 3, true, true),
        ];
        for (name, value, when_there, when_absent) in cases {
            let conditions = with(name, value);
            assert_eq!(conditions.check(Some(&seen)).is_ok(), when_there, "{name}={value}");
            assert_eq!(conditions.check(None).is_ok(), when_absent, "{name}={value}, absent");
        }
        let code = |name, value| with(name, value).check_read(&seen).expect_err("fails").code();
        assert_eq!(code("ifGenerationNotMatch", 7), 304);
        assert_eq!(code("ifMetagenerationNotMatch", 2), 304);
        assert_eq!(code("ifGenerationMatch", 8), 412);
    }
}
