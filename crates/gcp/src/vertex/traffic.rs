//! Which deployed models of an endpoint get how much of its traffic.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::Request;

/// Percent by the id of a deployed model; who is not in it has none. A split
/// that gives anything gives 100.
pub type Split = BTreeMap<String, u8>;

/// A model that is deployed to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    pub id: String,
    /// Its display name: the version's name.
    pub version: String,
    /// `projects/N/locations/L/models/M@N`.
    pub model: String,
    pub percent: u8,
}

/// The split of an endpoint's record, without those who get nothing.
pub fn split(endpoint: &Value) -> Split {
    let entries = endpoint["trafficSplit"].as_object().into_iter().flatten();
    let percent = |value: &Value| value.as_u64().and_then(|percent| u8::try_from(percent).ok());
    let entries = entries.filter_map(|(id, value)| Some((id.clone(), percent(value)?)));
    entries.filter(|(_, percent)| *percent > 0).collect()
}

/// What is deployed to an endpoint, by its record.
pub fn deployed(endpoint: &Value) -> Vec<Deployed> {
    let split = split(endpoint);
    let all = endpoint["deployedModels"].as_array().into_iter().flatten();
    let text = |model: &Value, key: &str| model[key].as_str().unwrap_or_default().to_owned();
    all.map(|model| {
        let id = text(model, "id");
        let percent = split.get(&id).copied().unwrap_or(0);
        Deployed { id, version: text(model, "displayName"), model: text(model, "model"), percent }
    })
    .collect()
}

/// Answered with the endpoint at once. The labels are written with the split,
/// for what was before stands in them; `etag` keeps two who change an endpoint
/// at the same time from overwriting each other.
pub fn set_split(
    endpoint: &str,
    split: &Split,
    labels: &Map<String, Value>,
    etag: &str,
) -> Request {
    let mut body = json!({"trafficSplit": split, "labels": labels});
    if !etag.is_empty() {
        body["etag"] = json!(etag);
    }
    crate::patch(endpoint, "trafficSplit,labels", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_says_who_gets_what() {
        let endpoint = json!({
            "deployedModels": [
                {"id": "7", "displayName": "v1", "model": "projects/1/locations/l/models/m@1"},
                {"id": "8", "displayName": "v2", "model": "projects/1/locations/l/models/m@2"},
            ],
            "trafficSplit": {"7": 100, "8": 0},
        });
        assert_eq!(split(&endpoint), Split::from([("7".into(), 100)]));
        let found: Vec<_> =
            deployed(&endpoint).into_iter().map(|one| (one.version, one.percent)).collect();
        assert_eq!(found, [("v1".to_owned(), 100), ("v2".to_owned(), 0)]);
        assert!(deployed(&json!({})).is_empty());
    }
}
