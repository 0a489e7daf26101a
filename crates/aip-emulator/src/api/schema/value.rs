//! Values by their types, in the JSON form of protocol buffers.

use serde_json::{Map, Number, Value};

use super::{Schema, snake};
use crate::api::mask::camel;

/// The numbers of an enumeration whose order is not that of its words.
/// Google's own clients send numbers.
const ACCELERATORS: [(&str, i64); 13] = [
    ("NVIDIA_TESLA_K80", 1),
    ("NVIDIA_TESLA_P100", 2),
    ("NVIDIA_TESLA_V100", 3),
    ("NVIDIA_TESLA_P4", 4),
    ("NVIDIA_TESLA_T4", 5),
    ("TPU_V2", 6),
    ("TPU_V3", 7),
    ("NVIDIA_TESLA_A100", 8),
    ("NVIDIA_A100_80GB", 9),
    ("TPU_V4_POD", 10),
    ("NVIDIA_L4", 11),
    ("TPU_V5_LITEPOD", 12),
    ("NVIDIA_H100_80GB", 13),
];

pub(super) struct Reader<'a> {
    schema: &'a Schema,
    /// Where something is wrong, and what
    pub(super) wrong: Vec<(String, String)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        Self { schema, wrong: Vec::new() }
    }

    /// None when this is no object at all.
    pub(super) fn message(
        &mut self,
        path: &str,
        message: &str,
        value: &Value,
    ) -> Option<Map<String, Value>> {
        let fields = self.schema.fields(message)?;
        let mut read = Map::new();
        for (given, value) in value.as_object()? {
            let name = if fields.contains_key(given) { given.clone() } else { camel(given) };
            let Some(kind) = fields.get(&name) else {
                let at = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
                let text = format!(
                    "Invalid JSON payload received. Unknown name \"{given}\"{at}: Cannot find field."
                );
                self.wrong.push((path.to_owned(), text));
                continue;
            };
            // `null` is a value where any value may stand, but none that says anything.
            if value.is_null() || kind == "output" {
                continue;
            }
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{}", snake(&name));
            if let Some(value) = self.typed(&path, kind, value) {
                read.insert(name, value);
            }
        }
        Some(read)
    }

    fn typed(&mut self, path: &str, kind: &Value, value: &Value) -> Option<Value> {
        let (read, expected) = match kind {
            Value::Array(item) => return self.list(path, &item[0], value),
            Value::Object(map) => match (map.get("enum"), map.get("*")) {
                (Some(words), _) => (word(words, value), "TYPE_ENUM"),
                (_, Some(item)) => return self.map(path, item, value),
                _ => (None, "TYPE_MESSAGE"),
            },
            Value::String(kind) if is_message(kind) => {
                let read = self.message(path, kind, value).map(Value::from);
                (read, "TYPE_MESSAGE")
            }
            kind => scalar(kind.as_str().unwrap_or_default(), value),
        };
        if read.is_none() {
            self.refuse(path, expected, value);
        }
        read
    }

    fn list(&mut self, path: &str, item: &Value, value: &Value) -> Option<Value> {
        let Some(list) = value.as_array() else {
            self.refuse(path, expected(item), value);
            return None;
        };
        let each = list.iter().enumerate();
        let read = each.filter_map(|(i, value)| self.typed(&format!("{path}[{i}]"), item, value));
        Some(read.collect::<Vec<_>>().into())
    }

    fn map(&mut self, path: &str, item: &Value, value: &Value) -> Option<Value> {
        let Some(map) = value.as_object() else {
            self.refuse(path, expected(item), value);
            return None;
        };
        let mut read = Map::new();
        for (key, value) in map {
            if let Some(value) = self.typed(&format!("{path}.{key}"), item, value) {
                read.insert(key.clone(), value);
            }
        }
        Some(read.into())
    }

    fn refuse(&mut self, path: &str, expected: &str, value: &Value) {
        let text = format!("Invalid value at '{path}' ({expected}), {value}");
        self.wrong.push((path.to_owned(), text));
    }
}

fn is_message(kind: &str) -> bool {
    kind.starts_with(|c: char| c.is_ascii_uppercase())
}

fn expected(kind: &Value) -> &'static str {
    match kind.as_str() {
        Some(kind) if !is_message(kind) => scalar(kind, &Value::Null).1,
        _ => "TYPE_MESSAGE",
    }
}

/// What is read of a value, and what it should have been.
fn scalar(kind: &str, value: &Value) -> (Option<Value>, &'static str) {
    let number = || match value {
        Value::String(text) => text.parse::<Number>().ok(),
        Value::Number(number) => Some(number.clone()),
        _ => None,
    };
    let text = |is_right: fn(&str) -> bool| value.as_str().filter(|t| is_right(t)).map(Value::from);
    match kind {
        "string" => (text(|_| true), "TYPE_STRING"),
        "boolean" => (value.is_boolean().then(|| value.clone()), "TYPE_BOOL"),
        "int32" => (number().filter(fits_i32).map(Value::from), "TYPE_INT32"),
        // 64-bit integers are text in JSON.
        "int64" => {
            let read = number().filter(|number| number.as_i64().is_some());
            (read.map(|number| number.to_string().into()), "TYPE_INT64")
        }
        "float" | "double" => (number().map(Value::from), "TYPE_DOUBLE"),
        "google-duration" => (text(is_duration), "type.googleapis.com/google.protobuf.Duration"),
        "google-fieldmask" => (text(|_| true), "type.googleapis.com/google.protobuf.FieldMask"),
        "any" => (Some(value.clone()), "TYPE_MESSAGE"),
        _ => (None, "TYPE_MESSAGE"),
    }
}

fn fits_i32(number: &Number) -> bool {
    number.as_i64().is_some_and(|n| i32::try_from(n).is_ok())
}

/// `90s`, `0.5s`
fn is_duration(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(seconds) = text.strip_suffix('s') else { return false };
    let seconds = seconds.strip_prefix('-').unwrap_or(seconds);
    match seconds.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && part.len() <= 9,
        None => digits(seconds),
    }
}

fn word(words: &Value, value: &Value) -> Option<Value> {
    let words = words.as_array()?;
    let Some(number) = value.as_i64() else {
        return words.contains(value).then(|| value.clone());
    };
    if words.iter().any(|word| word == "NVIDIA_L4") {
        let found = ACCELERATORS.iter().find(|(_, known)| *known == number);
        return found.map(|(word, _)| (*word).into());
    }
    words.get(usize::try_from(number).ok()?).cloned()
}

#[cfg(test)]
pub(super) fn is_known(schema: &Schema, kind: &Value) -> bool {
    match kind {
        Value::Array(item) => item.len() == 1 && is_known(schema, &item[0]),
        Value::Object(map) => {
            map.contains_key("enum") || map.get("*").is_some_and(|item| is_known(schema, item))
        }
        Value::String(kind) if is_message(kind) => schema.fields(kind).is_some(),
        Value::String(kind) => {
            kind == "output"
                || [Value::from("1"), "1s".into(), true.into()]
                    .iter()
                    .any(|sample| scalar(kind, sample).0.is_some())
        }
        _ => false,
    }
}
