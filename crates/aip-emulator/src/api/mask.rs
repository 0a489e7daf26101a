//! Update masks: which fields a patch means.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The fields of the query's `updateMask`, in camel case.
pub(crate) fn fields(query: &HashMap<String, String>) -> Vec<String> {
    let mask = query.get("updateMask").map(String::as_str).unwrap_or_default();
    paths(mask)
}

/// The fields of a mask, in camel case.
pub(crate) fn paths(mask: &str) -> Vec<String> {
    let fields = mask.split(',').map(|field| camel(field.trim()));
    fields.filter(|field| !field.is_empty()).collect()
}

/// Sets what stands at a dotted path in `spec` to what stands there in
/// `from`, or removes it where that has nothing.
pub(crate) fn apply(spec: &mut Map<String, Value>, path: &str, from: &Map<String, Value>) {
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

pub(crate) fn camel(field: &str) -> String {
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
