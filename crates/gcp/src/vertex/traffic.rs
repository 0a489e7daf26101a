//! Who gets how much of an endpoint's traffic.

use serde_json::{Map, Value, json};

use crate::api::Request;

/// Answered with the endpoint at once. The labels are written with the split,
/// for what was before stands in them; `etag`, that of the endpoint as it was
/// read, keeps two who change it at the same time from overwriting each other.
pub fn set_split(
    endpoint: &str,
    split: &Value,
    labels: &Map<String, Value>,
    etag: Option<&str>,
) -> Request {
    let mut body = json!({"trafficSplit": split, "labels": labels});
    if let Some(etag) = etag {
        body["etag"] = json!(etag);
    }
    crate::patch(endpoint, "trafficSplit,labels", &body)
}
