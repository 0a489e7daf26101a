//! Reading a request as Google's front end does: unknown names and wrong types
//! are refused before any other rule is looked at.
//!
//! `messages.json` is the part of Google's discovery document (aiplatform v1)
//! that requests are made of, without its prose: per message its fields, and
//! of each field the type, the format, or that only the service sets it.

mod value;

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::error::ApiError;

type Fields = Map<String, Value>;

static MESSAGES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("messages.json")).expect("messages.json is an object")
});

/// Reads a request body as the named message. Names may be written in either
/// case, as everywhere in Google's APIs; they come out in camel case, without
/// nulls and without what only the service sets.
pub(super) fn read(message: &str, body: &[u8]) -> Result<Fields, ApiError> {
    let refuse = |text: String| ApiError::new(400, "INVALID_ARGUMENT", text);
    let value: Value = match body.trim_ascii() {
        [] => return Ok(Map::new()),
        body => serde_json::from_slice(body)
            .map_err(|err| refuse(format!("Invalid JSON payload received. {err}")))?,
    };
    let mut reader = value::Reader::default();
    let Some(read) = reader.message("", message, &value) else {
        return Err(refuse("Invalid JSON payload received. Expected an object.".to_owned()));
    };
    if reader.wrong.is_empty() {
        return Ok(read);
    }
    let text = reader.wrong.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
    let error = refuse(text);
    Err(reader.wrong.iter().fold(error, |error, (path, text)| error.with_field(path, text)))
}

/// The fields of a message.
fn fields(message: &str) -> Option<&'static Fields> {
    MESSAGES.get(message)?.as_object()
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

    fn model(body: &Value) -> Result<Value, String> {
        read("Model", body.to_string().as_bytes())
            .map(Value::from)
            .map_err(|err| err.message().to_owned())
    }

    #[test]
    fn every_type_is_described() {
        for (name, message) in MESSAGES.iter() {
            for (field, kind) in message.as_object().unwrap() {
                assert!(value::is_known(kind), "{name}.{field}: {kind}");
            }
        }
    }

    #[test]
    fn both_cases_are_read_and_outputs_ignored() {
        let body = json!({
            "display_name": "iris", "versionId": 7, "labels": null, "metadata": {"any": [1]},
            "containerSpec": {"image_uri": "i", "ports": [{"container_port": "80"}],
                              "sharedMemorySizeMb": 64, "deploymentTimeout": "90.5s"},
        });
        let read = json!({
            "displayName": "iris", "metadata": {"any": [1]},
            "containerSpec": {"imageUri": "i", "ports": [{"containerPort": 80}],
                              "sharedMemorySizeMb": "64", "deploymentTimeout": "90.5s"},
        });
        assert_eq!(model(&body).unwrap(), read);
    }

    #[test]
    fn unknown_names_are_all_listed() {
        let body = json!({"nme": "x", "containerSpec": {"env": [{"nam": 1}]}});
        let text = "Invalid JSON payload received. Unknown name \"nme\": Cannot find field.\n\
                    Invalid JSON payload received. Unknown name \"nam\" at \
                    'container_spec.env[0]': Cannot find field.";
        assert_eq!(model(&body).unwrap_err(), text);
    }

    #[test]
    fn wrong_types_are_refused() {
        for (body, text) in [
            (json!({"displayName": 3}), "'display_name' (TYPE_STRING), 3"),
            (json!({"labels": {"a": 1}}), "'labels.a' (TYPE_STRING), 1"),
            (json!({"versionAliases": "v"}), "'version_aliases' (TYPE_STRING), \"v\""),
            (json!({"containerSpec": []}), "'container_spec' (TYPE_MESSAGE), []"),
            (
                json!({"containerSpec": {"deploymentTimeout": "1m"}}),
                "'container_spec.deployment_timeout' (type.googleapis.com/google.protobuf.Duration), \
                 \"1m\"",
            ),
        ] {
            assert_eq!(model(&body).unwrap_err(), format!("Invalid value at {text}"));
        }
        assert!(model(&json!([])).is_err());
    }

    #[test]
    fn enumerations_are_words_or_the_numbers_behind_them() {
        let read = |kind: Value| {
            let body = json!({"machineType": "n1-standard-2", "acceleratorType": kind});
            read("MachineSpec", body.to_string().as_bytes())
                .map(|spec| spec["acceleratorType"].clone())
        };
        assert_eq!(read("NVIDIA_L4".into()).unwrap(), "NVIDIA_L4");
        assert_eq!(read(11.into()).unwrap(), "NVIDIA_L4");
        assert!(read("L4".into()).is_err() && read(99.into()).is_err());
    }
}
