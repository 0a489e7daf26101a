//! What is shown of a resource.

use serde_json::{Map, Value};

/// Fields at their default value are not shown, as in all JSON of protocol
/// buffers.
pub(crate) fn extend(shown: &mut Value, spec: &Map<String, Value>) {
    for (key, value) in spec {
        let is_default = match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(_) | Value::Number(_) => false,
        };
        if !is_default {
            shown[key] = value.clone();
        }
    }
}
