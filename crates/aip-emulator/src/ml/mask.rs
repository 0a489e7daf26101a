//! Update masks: which fields a patch means.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::refusal::{field, invalid};
use crate::error::ApiError;

/// The fields of the query's `updateMask`, in camel case. Each must be one
/// that `allows` says yes to.
pub(super) fn read(
    query: &HashMap<String, String>,
    allows: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ApiError> {
    let fields: Vec<String> = query
        .get("updateMask")
        .map(String::as_str)
        .unwrap_or_default()
        .split(',')
        .map(|field| camel(field.trim()))
        .filter(|field| !field.is_empty())
        .collect();
    if fields.is_empty() {
        return Err(invalid("update_mask", "The update mask must be present and not empty."));
    }
    if let Some(field) = fields.iter().find(|field| !allows(field)) {
        return Err(invalid("update_mask", &format!("The field '{field}' cannot be updated.")));
    }
    Ok(fields)
}

/// Sets what stands at a dotted path in `spec` to what stands there in
/// `from`, or removes it where that has nothing.
pub(super) fn apply(spec: &mut Map<String, Value>, path: &str, from: &Map<String, Value>) {
    let Some((head, rest)) = path.split_once('.') else {
        match from.get(path) {
            Some(value) => spec.insert(path.to_owned(), value.clone()),
            None => spec.remove(path),
        };
        return;
    };
    let empty = Map::new();
    let from = from.get(head).and_then(Value::as_object).unwrap_or(&empty);
    let inner = spec.entry(head).or_insert_with(|| Map::new().into());
    if let Some(inner) = inner.as_object_mut() {
        apply(inner, rest, from);
        if inner.is_empty() {
            spec.remove(head);
        }
    }
}

/// An etag in the request must be the one that the client last saw.
pub(super) fn check_etag(current: &str, body: &Map<String, Value>) -> Result<(), ApiError> {
    match body.get("etag").and_then(Value::as_str) {
        Some(etag) if !etag.is_empty() && etag != current => {
            Err(field(409, "ABORTED", "etag", "The resource was changed since its etag was read."))
        }
        _ => Ok(()),
    }
}

pub(super) fn camel(field: &str) -> String {
    let mut camel = String::with_capacity(field.len());
    let mut is_start = false;
    for c in field.chars() {
        if c == '_' {
            is_start = true;
        } else {
            camel.push(if is_start { c.to_ascii_uppercase() } else { c });
            is_start = false;
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mask(text: &str) -> Result<Vec<String>, ApiError> {
        let query = HashMap::from([("updateMask".to_owned(), text.to_owned())]);
        read(&query, |field| field == "description" || field == "autoScaling.minNodes")
    }

    #[test]
    fn either_case_is_read() {
        let both = vec!["description".to_owned(), "autoScaling.minNodes".to_owned()];
        assert_eq!(mask("description, auto_scaling.min_nodes").unwrap(), both);
        assert_eq!(mask("description,autoScaling.minNodes").unwrap(), both);
        assert!(mask("").is_err() && mask("name").is_err() && mask("description,name").is_err());
    }

    #[test]
    fn only_masked_fields_change() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let mut spec = object(json!({"a": 1, "b": 2, "in": {"x": 1, "y": 2}}));
        let patch = object(json!({"a": 9, "in": {"x": 8}, "other": 1}));
        for path in ["a", "b", "in.x", "in.y", "new.z"] {
            apply(&mut spec, path, &patch);
        }
        assert_eq!(Value::from(spec), json!({"a": 9, "in": {"x": 8}}));
    }
}
