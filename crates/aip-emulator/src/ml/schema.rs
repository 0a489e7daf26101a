//! The fields of the API's resources, and reading a request by them as
//! Google's front end did: unknown names and wrong types are refused before
//! any other rule is looked at.

use serde_json::{Map, Value};

use crate::error::ApiError;

#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Flag,
    Int,
    Number,
    Labels,
    Texts,
    Choice(&'static [&'static str]),
    Message(&'static [Field]),
    Messages(&'static [Field]),
}

#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    kind: Kind,
    /// Set by the service; what a request says is not looked at
    is_output: bool,
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_output: false }
}

const fn output(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_output: true }
}

use Kind::{Choice, Flag, Int, Labels, Message, Messages, Number, Text, Texts};

pub(super) static MODEL: &[Field] = &[
    field("name", Text),
    field("description", Text),
    field("regions", Texts),
    field("onlinePredictionLogging", Flag),
    field("onlinePredictionConsoleLogging", Flag),
    field("labels", Labels),
    field("etag", Text),
    // Read by patch alone, which sets the default version by it.
    field("defaultVersion", Message(VERSION)),
];

pub(super) static VERSION: &[Field] = &[
    field("name", Text),
    field("description", Text),
    field("deploymentUri", Text),
    field("packageUris", Texts),
    field("predictionClass", Text),
    field("runtimeVersion", Text),
    field("pythonVersion", Text),
    field("machineType", Text),
    field("framework", Choice(&["FRAMEWORK_UNSPECIFIED", "TENSORFLOW", "SCIKIT_LEARN", "XGBOOST"])),
    field("labels", Labels),
    field("serviceAccount", Text),
    field("autoScaling", Message(AUTO_SCALING)),
    field("manualScaling", Message(&[field("nodes", Int)])),
    field("requestLoggingConfig", Message(LOGGING)),
    field("acceleratorConfig", Message(&[field("count", Text), field("type", Text)])),
    field("explanationConfig", Message(EXPLANATION)),
    field("container", Message(CONTAINER)),
    field("routes", Message(&[field("predict", Text), field("health", Text)])),
    field("etag", Text),
    output("isDefault", Flag),
    output("state", Text),
    output("errorMessage", Text),
    output("createTime", Text),
    output("lastUseTime", Text),
    output("lastMigrationTime", Text),
    output("lastMigrationModelId", Text),
];

const AUTO_SCALING: &[Field] = &[
    field("minNodes", Int),
    field("maxNodes", Int),
    field("metrics", Messages(&[field("name", Choice(METRICS)), field("target", Int)])),
];

const METRICS: &[&str] = &["METRIC_NAME_UNSPECIFIED", "CPU_USAGE", "GPU_DUTY_CYCLE"];

const LOGGING: &[Field] = &[field("bigqueryTableName", Text), field("samplingPercentage", Number)];

const EXPLANATION: &[Field] = &[
    field("integratedGradientsAttribution", Message(&[field("numIntegralSteps", Int)])),
    field("sampledShapleyAttribution", Message(&[field("numPaths", Int)])),
    field("xraiAttribution", Message(&[field("numIntegralSteps", Int)])),
];

const CONTAINER: &[Field] = &[
    field("image", Text),
    field("command", Texts),
    field("args", Texts),
    field("env", Messages(&[field("name", Text), field("value", Text)])),
    field("ports", Messages(&[field("containerPort", Int)])),
];

/// Reads a request body as the named resource. Names may be written in either
/// case, as everywhere in Google's APIs; they come out in camel case, without
/// nulls and without what only the service sets.
pub(super) fn read(
    resource: &str,
    fields: &'static [Field],
    body: &[u8],
) -> Result<Map<String, Value>, ApiError> {
    let refuse = |text: String| ApiError::new(400, "INVALID_ARGUMENT", text);
    let value: Value = match body.trim_ascii() {
        [] => return Ok(Map::new()),
        body => serde_json::from_slice(body)
            .map_err(|err| refuse(format!("Invalid JSON payload received. {err}")))?,
    };
    let mut wrong = Vec::new();
    let Some(read) = message(resource, fields, &value, &mut wrong) else {
        return Err(refuse("Invalid JSON payload received. Expected an object.".to_owned()));
    };
    if wrong.is_empty() {
        return Ok(read);
    }
    let text = wrong.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
    Err(wrong.iter().fold(refuse(text), |error, (path, text)| error.with_field(path, text)))
}

type Wrong = Vec<(String, String)>;

/// None when this is no object at all.
fn message(
    path: &str,
    fields: &'static [Field],
    value: &Value,
    wrong: &mut Wrong,
) -> Option<Map<String, Value>> {
    let mut read = Map::new();
    for (name, value) in value.as_object()? {
        let Some(field) = fields.iter().find(|f| f.name == name || snake(f.name) == *name) else {
            let text = format!(
                "Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field."
            );
            wrong.push((path.to_owned(), text));
            continue;
        };
        if value.is_null() || field.is_output {
            continue;
        }
        let path = format!("{path}.{}", snake(field.name));
        if let Some(value) = typed(&path, &field.kind, value, wrong) {
            read.insert(field.name.to_owned(), value);
        }
    }
    Some(read)
}

fn typed(path: &str, kind: &'static Kind, value: &Value, wrong: &mut Wrong) -> Option<Value> {
    let number = |value: &Value| value.as_str().map_or_else(|| value.clone(), number_in);
    let (read, expected) = match kind {
        Text => (value.is_string().then(|| value.clone()), "TYPE_STRING"),
        Flag => (value.is_boolean().then(|| value.clone()), "TYPE_BOOL"),
        Int => (Some(number(value)).filter(fits_i32), "TYPE_INT32"),
        Number => (Some(number(value)).filter(Value::is_number), "TYPE_DOUBLE"),
        Choice(all) => {
            let is_one = value.as_str().is_some_and(|text| all.contains(&text));
            (is_one.then(|| value.clone()), "TYPE_ENUM")
        }
        Labels => {
            let is_map = value.as_object().is_some_and(|map| map.values().all(Value::is_string));
            (is_map.then(|| value.clone()), "TYPE_STRING")
        }
        Texts => {
            let is_list = value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
            (is_list.then(|| value.clone()), "TYPE_STRING")
        }
        Message(fields) => (message(path, fields, value, wrong).map(Value::from), "TYPE_MESSAGE"),
        Messages(fields) => {
            let read = value.as_array().and_then(|list| {
                let each = list.iter().enumerate();
                each.map(|(i, item)| message(&format!("{path}[{i}]"), fields, item, wrong))
                    .collect::<Option<Vec<_>>>()
            });
            (read.map(Value::from), "TYPE_MESSAGE")
        }
    };
    if read.is_none() {
        wrong.push((path.to_owned(), format!("Invalid value at '{path}' ({expected}), {value}")));
    }
    read
}

/// Numbers may come as text (the JSON form of protocol buffers).
fn number_in(text: &str) -> Value {
    serde_json::from_str::<serde_json::Number>(text).map_or(Value::Null, Value::from)
}

fn fits_i32(value: &Value) -> bool {
    value.as_i64().is_some_and(|n| i32::try_from(n).is_ok())
}

/// A field's name as it stands in error messages and field masks.
pub(super) fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(body: &Value) -> Result<Value, String> {
        read("version", VERSION, body.to_string().as_bytes())
            .map(Value::from)
            .map_err(|err| err.message().to_owned())
    }

    #[test]
    fn both_cases_are_read_and_outputs_ignored() {
        let body = json!({"deployment_uri": "gs://b/m", "state": 7, "labels": null,
                          "autoScaling": {"min_nodes": "3"}, "createTime": "x"});
        let read = json!({"deploymentUri": "gs://b/m", "autoScaling": {"minNodes": 3}});
        assert_eq!(version(&body).unwrap(), read);
    }

    #[test]
    fn unknown_names_are_all_listed() {
        let body = json!({"predictorClass": "x", "autoScaling": {"nodes": 1}});
        let text = "Invalid JSON payload received. Unknown name \"predictorClass\" at 'version': \
                    Cannot find field.\nInvalid JSON payload received. Unknown name \"nodes\" at \
                    'version.auto_scaling': Cannot find field.";
        assert_eq!(version(&body).unwrap_err(), text);
    }

    #[test]
    fn wrong_types_are_refused() {
        for (body, text) in [
            (json!({"pythonVersion": 3.7}), "'version.python_version' (TYPE_STRING), 3.7"),
            (
                json!({"packageUris": "gs://b/p"}),
                "'version.package_uris' (TYPE_STRING), \"gs://b/p\"",
            ),
            (json!({"labels": {"a": 1}}), "'version.labels' (TYPE_STRING), {\"a\":1}"),
            (json!({"framework": "KERAS"}), "'version.framework' (TYPE_ENUM), \"KERAS\""),
            (
                json!({"manualScaling": {"nodes": 1.5}}),
                "'version.manual_scaling.nodes' (TYPE_INT32), 1.5",
            ),
        ] {
            assert_eq!(version(&body).unwrap_err(), format!("Invalid value at {text}"));
        }
        assert!(version(&json!([])).is_err());
    }
}
