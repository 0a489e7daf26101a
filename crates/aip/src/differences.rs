//! In what a resource that is there differs from the one that is wanted.

use gcp::vertex::is_same;
use serde_json::Value;

/// A field, as it is wanted and as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `dedicatedResources.machineSpec.machineType`.
    pub field: String,
    pub want: Value,
    pub have: Value,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { field, want, have } = self;
        if have.is_null() {
            write!(f, "{field} is not set, and should be {want}")
        } else {
            write!(f, "{field} is {have}, not {want}")
        }
    }
}

/// The differences of `wanted`'s fields, besides `labels` and those in `skip`.
/// What is wanted says nothing of fields that it does not name, also below it:
/// services fill in their defaults.
pub fn differences(wanted: &Value, found: &Value, skip: &[&str]) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (key, want) in wanted.as_object().into_iter().flatten() {
        if key != "labels" && !skip.contains(&key.as_str()) {
            compare(key, want, &found[key.as_str()], &mut differences);
        }
    }
    differences
}

/// Labels that are wanted and not there, as `key=value`.
pub fn missing_labels(wanted: &Value, found: &Value) -> Vec<String> {
    let wanted = wanted["labels"].as_object().into_iter().flatten();
    wanted
        .filter(|(key, want)| found["labels"][key.as_str()] != **want)
        .map(|(key, want)| format!("{key}={}", want.as_str().unwrap_or_default()))
        .collect()
}

fn compare(field: &str, want: &Value, have: &Value, differences: &mut Vec<Difference>) {
    if let Value::Object(fields) = want
        && (have.is_object() || have.is_null())
    {
        for (key, want) in fields {
            compare(&format!("{field}.{key}"), want, &have[key.as_str()], differences);
        }
    } else if !is_met(want, have) {
        let (field, want, have) = (field.to_owned(), want.clone(), have.clone());
        differences.push(Difference { field, want, have });
    }
}

/// What is not set is as good as its default, and a project has two names.
fn is_met(want: &Value, have: &Value) -> bool {
    let is_unset = have.is_null()
        && (want == false || want == "" || want.as_f64() == Some(0.0) || want == &Value::Null);
    match (want, have) {
        (Value::String(want), Value::String(have)) if want.starts_with("projects/") => {
            is_same(want, have)
        }
        (Value::Number(_), Value::Number(_)) => want.as_f64() == have.as_f64(),
        _ => is_unset || want == have,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(wanted: &Value, found: &Value) -> Vec<String> {
        let all = differences(wanted, found, &["name"]);
        all.into_iter().map(|difference| difference.field).collect()
    }

    #[test]
    fn what_the_service_adds_is_no_difference() {
        let wanted = json!({
            "name": "iris", "labels": {"a": "b"}, "spot": false,
            "encryptionSpec": {"kmsKeyName": "projects/acme/locations/l/keyRings/r/cryptoKeys/k"},
            "logging": {"enabled": true, "samplingRate": 0.50},
        });
        let found = json!({
            "name": "projects/1/x", "etag": "x", "createTime": "now",
            "encryptionSpec": {"kmsKeyName": "projects/1/locations/l/keyRings/r/cryptoKeys/k"},
            "logging": {"enabled": true, "samplingRate": 0.5, "table": "t"},
        });
        assert!(fields(&wanted, &found).is_empty());
        let other = json!({"logging": {"enabled": true, "samplingRate": 1}, "spot": true});
        assert_eq!(
            fields(&wanted, &other),
            ["spot", "encryptionSpec.kmsKeyName", "logging.samplingRate"]
        );
        assert_eq!(missing_labels(&wanted, &found), ["a=b"]);
    }
}
