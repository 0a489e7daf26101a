//! The messages of Vertex AI's requests (aiplatform v1).

use serde_json::{Map, Value};

use crate::api::schema::Schema;
use crate::error::ApiError;

static MESSAGES: Schema = Schema::new(include_str!("messages.json"));

pub(super) fn read(message: &str, body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    MESSAGES.read(message, body)
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
        assert_eq!(MESSAGES.unknown_types(), [""; 0]);
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
