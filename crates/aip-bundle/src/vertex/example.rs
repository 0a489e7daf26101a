//! The model's input example, in the form of a request to the service.

use deployment::Example;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::model::Model;

/// What a version is held against later should be quick to ask.
const MOST: usize = 100;

/// What the service is asked.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) instances: Vec<Value>,
    pub(super) parameters: Option<Map<String, Value>>,
}

impl Request {
    /// Nothing where the example cannot be asked as instances.
    pub(super) fn of(model: &Model, example: &Example) -> Result<Option<Self>, Error> {
        for path in example.serving_path.iter().chain([&example.path]) {
            let Some(text) = model.text(path)? else { continue };
            // Python writes NaN, which is no JSON.
            let Ok(value) = serde_json::from_str(&text) else { continue };
            if let Some(request) = Self::from_json(value) {
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// From what MLflow's scoring server takes, or what MLflow 1 kept.
    fn from_json(value: Value) -> Option<Self> {
        let Value::Object(mut fields) = value else {
            return Self::new(rows(value)?, None);
        };
        let parameters = match fields.remove("params") {
            Some(Value::Object(params)) if !params.is_empty() => Some(params),
            _ => None,
        };
        if let Some(table) = fields.remove("dataframe_split") {
            return Self::new(table_rows(table)?, parameters);
        }
        for name in ["dataframe_records", "instances"] {
            if let Some(value) = fields.remove(name) {
                return Self::new(rows(value)?, parameters);
            }
        }
        match fields.remove("inputs") {
            Some(Value::Object(tensors)) => Self::new(records(tensors)?, parameters),
            Some(value) => Self::new(rows(value)?, parameters),
            None => Self::new(table_rows(Value::Object(fields))?, parameters),
        }
    }

    fn new(mut instances: Vec<Value>, parameters: Option<Map<String, Value>>) -> Option<Self> {
        instances.truncate(MOST);
        (!instances.is_empty()).then_some(Self { instances, parameters })
    }

    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("instances".into(), Value::Array(self.instances.clone()));
        if let Some(parameters) = &self.parameters {
            json.insert("parameters".into(), Value::Object(parameters.clone()));
        }
        json
    }
}

fn rows(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(rows) => Some(rows),
        _ => None,
    }
}

/// Records where the columns have names; a table of numbered columns is rows.
fn table_rows(table: Value) -> Option<Vec<Value>> {
    let Value::Object(mut table) = table else { return None };
    let data = rows(table.remove("data")?)?;
    let names: Option<Vec<_>> = match table.remove("columns") {
        Some(Value::Array(columns)) => {
            columns.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    };
    let Some(names) = names else { return Some(data) };
    let record = |row| Some(Value::Object(names.iter().cloned().zip(rows(row)?).collect()));
    data.into_iter().map(record).collect()
}

/// One record for each place in tensors of equal length.
fn records(tensors: Map<String, Value>) -> Option<Vec<Value>> {
    let mut columns = Vec::new();
    for (name, values) in tensors {
        columns.push((name, rows(values)?));
    }
    let length = columns.first()?.1.len();
    if columns.iter().any(|(_, values)| values.len() != length) {
        return None;
    }
    let record = |at: usize| {
        let fields = columns.iter().map(|(name, values)| (name.clone(), values[at].clone()));
        Value::Object(fields.collect())
    };
    Some((0..length).map(record).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn instances(value: Value) -> Value {
        Request::from_json(value).map_or(Value::Null, |one| Value::Array(one.instances))
    }

    #[test]
    fn every_form_of_mlflow() {
        let named = json!([{"a": 1, "b": "x"}, {"a": 2, "b": null}]);
        let split = json!({"columns": ["a", "b"], "data": [[1, "x"], [2, null]]});
        assert_eq!(instances(json!({"dataframe_split": split})), named);
        assert_eq!(instances(split), named);
        assert_eq!(instances(json!({"dataframe_records": named})), named);
        assert_eq!(instances(json!({"inputs": {"a": [1, 2], "b": ["x", null]}})), named);
        let numbered = json!({"columns": [0, 1], "data": [[1.50, 2]]});
        assert_eq!(instances(json!({"dataframe_split": numbered})), json!([[1.50, 2]]));
        for key in ["inputs", "instances"] {
            assert_eq!(instances(json!({key: [[1], [2]]})), json!([[1], [2]]));
        }
        assert_eq!(instances(json!(["a", "b"])), json!(["a", "b"]));
    }

    #[test]
    fn what_cannot_be_asked() {
        for value in [
            json!({"messages": [{"role": "user"}]}),
            json!({"inputs": "a"}),
            json!({"inputs": {"a": [1], "b": [1, 2]}}),
            json!({"instances": []}),
            json!("a"),
        ] {
            assert_eq!(instances(value.clone()), Value::Null, "{value}");
        }
    }

    #[test]
    fn parameters_and_limits() {
        let value = json!({"inputs": vec![0; 500], "params": {"t": 0.5}});
        let request = Request::from_json(value).unwrap();
        assert_eq!(request.instances.len(), MOST);
        assert_eq!(Value::Object(request.to_json())["parameters"], json!({"t": 0.5}));
        assert_eq!(
            Request::from_json(json!({"inputs": [1], "params": {}})).unwrap().parameters,
            None
        );
    }
}
