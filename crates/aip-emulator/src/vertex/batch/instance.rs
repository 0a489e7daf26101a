//! What becomes of a line of the input before the model sees it.

use serde_json::{Map, Value};

use super::super::container_spec::{text, texts};
use super::super::refusal::invalid;
use super::input::Record;
use crate::error::ApiError;

/// `BatchPredictionJob.instance_config`
#[derive(Debug, Default)]
pub(super) struct Transform {
    included: Vec<String>,
    excluded: Vec<String>,
    key: String,
    is_array: bool,
}

/// An instance, and with which field and value the output names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Instance {
    pub sent: Value,
    pub named: Vec<(String, Value)>,
}

pub(crate) fn check(config: &Value) -> Result<(), ApiError> {
    let transform = Transform::new(config);
    if !transform.included.is_empty() && !transform.excluded.is_empty() {
        let text = "When included_fields is populated, excluded_fields must be empty.";
        return Err(invalid(text));
    }
    match text(config, "instanceType") {
        "" | "object" | "array" => Ok(()),
        other => Err(invalid(&format!("The instance type '{other}' is not known."))),
    }
}

impl Transform {
    pub(super) fn new(config: &Value) -> Self {
        Self {
            included: texts(config, "includedFields"),
            excluded: texts(config, "excludedFields"),
            key: text(config, "keyField").to_owned(),
            is_array: text(config, "instanceType") == "array",
        }
    }

    pub(super) fn apply(&self, record: Record) -> Result<Instance, String> {
        let is_plain = self.included.is_empty() && self.excluded.is_empty() && self.key.is_empty();
        if is_plain && !(self.is_array && record.value.is_object()) {
            let shown = record.shown.unwrap_or_else(|| record.value.clone());
            return Ok(Instance {
                sent: record.value,
                named: vec![("instance".to_owned(), shown)],
            });
        }
        let Value::Object(fields) = record.value else {
            return Err("The fields of instances can be chosen of objects only.".to_owned());
        };
        let sent = self.choose(&fields)?;
        let named = if self.key.is_empty() {
            let left_out = fields.iter().filter(|(name, _)| self.excluded.contains(name));
            let left_out = left_out.map(|(name, value)| (name.clone(), value.clone()));
            std::iter::once(("instance".to_owned(), sent.clone())).chain(left_out).collect()
        } else {
            vec![("key".to_owned(), fields.get(&self.key).cloned().unwrap_or_default())]
        };
        Ok(Instance { sent, named })
    }

    fn choose(&self, fields: &Map<String, Value>) -> Result<Value, String> {
        if self.is_array {
            if self.included.is_empty() {
                let text = "included_fields must be populated for the order of an array.";
                return Err(text.to_owned());
            }
            let value = |name: &String| fields.get(name).cloned().unwrap_or_default();
            return Ok(self.included.iter().map(value).collect::<Vec<_>>().into());
        }
        let is_wanted = |name: &String| {
            *name != self.key
                && !self.excluded.contains(name)
                && (self.included.is_empty() || self.included.contains(name))
        };
        let chosen = fields.iter().filter(|(name, _)| is_wanted(name));
        Ok(Value::Object(chosen.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(config: &Value, value: Value) -> Result<(Value, Value), String> {
        let instance = Transform::new(config).apply(Record { value, shown: None })?;
        Ok((instance.sent, Value::Object(instance.named.into_iter().collect())))
    }

    #[test]
    fn fields_are_chosen_as_documented() {
        let row = || json!({"id": 1001, "a": 1, "b": 2});
        for (config, sent, named) in [
            (json!({}), row(), json!({"instance": row()})),
            (
                json!({"excludedFields": ["id"]}),
                json!({"a": 1, "b": 2}),
                json!({"instance": {"a": 1, "b": 2}, "id": 1001}),
            ),
            (json!({"includedFields": ["a"]}), json!({"a": 1}), json!({"instance": {"a": 1}})),
            (
                json!({"includedFields": ["b", "a"], "instanceType": "array"}),
                json!([2, 1]),
                json!({"instance": [2, 1]}),
            ),
            (json!({"keyField": "id"}), json!({"a": 1, "b": 2}), json!({"key": 1001})),
        ] {
            assert_eq!(applied(&config, row()).unwrap(), (sent, named), "{config}");
        }
        assert_eq!(applied(&json!({}), json!([1])).unwrap().0, json!([1]));
        assert!(applied(&json!({"excludedFields": ["id"]}), json!([1])).is_err());
        assert!(applied(&json!({"instanceType": "array"}), row()).is_err());
    }
}
