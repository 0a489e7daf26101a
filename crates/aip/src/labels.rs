//! Labels: where a deployed thing comes from, readable at the service.

use deployment::names::label_value;
use deployment::{Deployment, Extra};
use serde_json::Value;
use stage::Failure;

/// The label that says what a version was made of: content decides whether
/// two are the same.
pub const BUNDLE_DIGEST: &str = "bundle_digest";

/// Half a SHA-256: a label's value has room for 63 characters, not for 64.
const DIGEST_LENGTH: usize = 32;

/// The lineage as labels.
pub fn lineage(document: &Deployment) -> Extra {
    let mut labels = Extra::new();
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            labels.insert(key.into(), label_value(value).into());
        }
    };
    if let Some(fetch) = &document.stages.fetch {
        let lineage = &fetch.lineage;
        put("mlflow_run_id", lineage.run_id.as_deref());
        put("mlflow_model_id", lineage.model_id.as_deref());
        put("mlflow_model", lineage.registered_model.as_deref());
        put("mlflow_version", lineage.registered_version.as_deref());
    }
    if let Some(bundle) = &document.stages.bundle {
        let end = bundle.digest.len().min(DIGEST_LENGTH);
        put(BUNDLE_DIGEST, bundle.digest.get(..end));
    }
    labels
}

/// `labels` of a resource: what the user set stands above the lineage.
pub fn merge(resource: &mut Extra, lineage: Extra) {
    let own = resource.remove("labels");
    let mut labels = lineage;
    if let Some(Value::Object(own)) = own {
        labels.extend(own);
    }
    if !labels.is_empty() {
        resource.insert("labels".into(), Value::Object(labels));
    }
}

/// Whether the fields that are objects to the API are objects in the document,
/// which a person may have edited. `path` is where they stand in it.
pub fn check_objects(path: &str, fields: &Extra, keys: &[&str]) -> Result<(), Failure> {
    for key in keys {
        if fields.get(*key).is_some_and(|value| !value.is_object()) {
            let message = format!("{path}.{key} is not an object");
            return Err(Failure::input(message).hint("mend the document"));
        }
    }
    Ok(())
}

/// `KEY=VALUE` of a flag.
pub fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label has the form KEY=VALUE")?;
    let starts_well = key.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts_well || label_value(key) != key || label_value(value) != value {
        return Err("lower-case letters, digits, '_' and '-', a letter first, at most 63".into());
    }
    Ok((key.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use deployment::{Bundle, Fetch, Lineage};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lineage_fits_into_labels() {
        let mut document = Deployment::default();
        document.stages.fetch = Some(Fetch {
            lineage: Lineage { registered_model: Some("Iris Model".into()), ..Lineage::default() },
            ..Fetch::default()
        });
        document.stages.bundle = Some(Bundle { digest: "ab".repeat(32), ..Bundle::default() });
        let mut version = Extra::new();
        version.insert("labels".into(), json!({"team": "a", "mlflow_model": "mine"}));
        merge(&mut version, lineage(&document));
        let expected =
            json!({"mlflow_model": "mine", "bundle_digest": "ab".repeat(16), "team": "a"});
        assert_eq!(version["labels"], expected);
    }

    #[test]
    fn a_label_is_checked_before_the_service_does() {
        assert_eq!(parse_label("a=b-1").unwrap(), ("a".into(), "b-1".into()));
        assert_eq!(parse_label("a=").unwrap(), ("a".into(), String::new()));
        for bad in ["a", "=b", "A=b", "a=B", "1a=b"] {
            assert!(parse_label(bad).is_err(), "{bad}");
        }
    }
}
