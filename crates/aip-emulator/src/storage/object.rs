//! One object: what is kept about it, and how it looks on the wire.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::params::Origin;
use crate::error::ApiError;

/// What may stay as it is in a path segment (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) bucket: String,
    pub(super) name: String,
    pub(super) generation: i64,
    pub(super) metageneration: i64,
    pub(super) size: u64,
    pub(super) crc32c: String,
    /// A composed object has none; of others it may not be known yet
    #[serde(with = "known")]
    pub(super) md5: OnceLock<String>,
    pub(super) component_count: Option<u64>,
    pub(super) created: String,
    pub(super) updated: String,
    pub(super) settings: Settings,
}

/// What a writer may say about an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Settings {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) custom_time: Option<String>,
    pub(super) storage_class: Option<String>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
}

impl Object {
    /// Changes with every change of content or metadata. The same bytes as
    /// Google's: a protocol buffer of the two generations.
    pub(super) fn etag(&self) -> String {
        let mut bytes = Vec::new();
        for (tag, value) in [(0x08, self.generation), (0x10, self.metageneration)] {
            bytes.push(tag);
            let mut rest = value.cast_unsigned();
            while rest >= 0x80 {
                bytes.push(rest.to_le_bytes()[0] | 0x80);
                rest >>= 7;
            }
            bytes.push(rest.to_le_bytes()[0]);
        }
        STANDARD.encode(bytes)
    }

    /// The resource as the JSON API gives it: 64-bit integers are strings.
    pub(super) fn resource(&self, view: &Origin) -> Value {
        let origin = &view.url;
        let path = format!("b/{}/o/{}", self.bucket, utf8_percent_encode(&self.name, SEGMENT));
        let (bucket, name, generation) = (&self.bucket, &self.name, self.generation);
        let mut resource = json!({
            "kind": "storage#object",
            "id": format!("{bucket}/{name}/{generation}"),
            "selfLink": format!("{origin}/storage/v1/{path}"),
            "mediaLink": format!(
                "{origin}/download/storage/v1/{path}?generation={generation}&alt=media"
            ),
            "name": name,
            "bucket": bucket,
            "generation": generation.to_string(),
            "metageneration": self.metageneration.to_string(),
            "storageClass": "STANDARD",
            "size": self.size.to_string(),
            "crc32c": self.crc32c,
            "etag": self.etag(),
            "timeCreated": self.created,
            "updated": self.updated,
            "timeStorageClassUpdated": self.created,
            "timeFinalized": self.created,
        });
        if let Some(md5) = view.md5(self) {
            resource["md5Hash"] = md5.into();
        }
        if let Some(count) = self.component_count {
            resource["componentCount"] = count.into();
        }
        if let Ok(Value::Object(settings)) = serde_json::to_value(&self.settings) {
            for (key, value) in settings.into_iter().filter(|(_, value)| !value.is_null()) {
                resource[key] = value;
            }
        }
        resource
    }
}

/// On disk, what is not known is null.
mod known {
    use std::sync::OnceLock;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(
        cell: &OnceLock<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        cell.get().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OnceLock<String>, D::Error> {
        let known = Option::<String>::deserialize(deserializer)?;
        Ok(known.map(OnceLock::from).unwrap_or_default())
    }
}

impl Settings {
    pub(super) fn from_json(fields: &Map<String, Value>) -> Result<Self, ApiError> {
        serde_json::from_value(Value::Object(fields.clone()))
            .map_err(|err| ApiError::storage(400, "invalid", format!("Invalid value: {err}")))
    }

    /// Applies a patch: null removes, and `metadata` is merged key by key.
    pub(super) fn patch(&self, fields: &Map<String, Value>) -> Result<Self, ApiError> {
        let Ok(Value::Object(mut current)) = serde_json::to_value(self) else {
            return Ok(self.clone());
        };
        for (key, value) in fields {
            match (current.get_mut(key), value) {
                (Some(Value::Object(old)), Value::Object(new)) => {
                    for (key, value) in new {
                        old.insert(key.clone(), value.clone());
                    }
                    old.retain(|_, value| !value.is_null());
                }
                (Some(old), _) => *old = value.clone(),
                (None, _) => {}
            }
        }
        if let Some(Value::Object(metadata)) = current.get_mut("metadata") {
            metadata.retain(|_, value| !value.is_null());
        }
        Self::from_json(&current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    #[test]
    fn a_patch_merges_and_removes() {
        let before = Settings::from_json(&fields(json!({
            "contentType": "text/plain", "metadata": {"a": "1", "b": "2"}, "name": "ignored",
        })))
        .unwrap();
        let after = before
            .patch(&fields(json!({"contentType": null, "metadata": {"a": null, "c": "3"}})))
            .unwrap();
        assert_eq!(after.content_type, None);
        let metadata: Vec<_> = after.metadata.clone().unwrap().into_iter().collect();
        assert_eq!(metadata, [("b".into(), "2".into()), ("c".into(), "3".into())]);
        assert_eq!(after.patch(&fields(json!({"metadata": null}))).unwrap().metadata, None);
    }

    #[test]
    fn metadata_values_are_strings() {
        assert!(Settings::from_json(&fields(json!({"metadata": {"a": 1}}))).is_err());
    }
}
