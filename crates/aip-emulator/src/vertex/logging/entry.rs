//! A line of a container as Cloud Logging shows it.

use serde_json::{Map, Value, json};

use super::super::Vertex;
use super::super::plan::Tenant;
use crate::container::Line;

impl Vertex {
    pub(super) fn entries(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        for (number, tenant, lines) in self.0.logs.all() {
            let project = self.0.catalog.read(|c| c.project_id(&tenant.place.number).to_owned());
            for (at, line) in lines.into_iter().enumerate() {
                let mut entry = show(&tenant, &project, &line);
                entry["insertId"] = format!("{number:04}-{at:08}").into();
                entries.push(entry);
            }
        }
        entries
    }
}

/// A line of JSON is taken apart, as the agents on Google's machines do.
fn show(tenant: &Tenant, project: &str, line: &Line) -> Value {
    let time = humantime::format_rfc3339_nanos(line.time).to_string();
    let mut entry = json!({
        "logName": format!("projects/{project}/logs/aiplatform.googleapis.com%2Fprediction_container"),
        "resource": {
            "type": "aiplatform.googleapis.com/Endpoint",
            "labels": {
                "endpoint_id": tenant.endpoint,
                "location": tenant.place.location,
                "resource_container": tenant.place.number,
            },
        },
        "labels": {
            "deployed_model_id": tenant.deployed_model,
            "model_display_name": tenant.model_display_name,
            "model_id": tenant.model,
            "model_version_id": tenant.version.to_string(),
        },
        "timestamp": time,
        "receiveTimestamp": time,
        "severity": if line.is_error { "ERROR" } else { "INFO" },
    });
    match serde_json::from_str::<Map<String, Value>>(&line.text) {
        Ok(mut fields) => {
            if let Some(severity) = fields.get("severity").and_then(known_severity) {
                entry["severity"] = severity.into();
                fields.shift_remove("severity");
            }
            entry["jsonPayload"] = fields.into();
        }
        Err(_) => entry["textPayload"] = line.text.clone().into(),
    }
    entry
}

pub(super) const SEVERITIES: [&str; 9] =
    ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"];

fn known_severity(value: &Value) -> Option<&'static str> {
    let given = value.as_str()?.to_uppercase();
    SEVERITIES.into_iter().find(|known| *known == given)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::super::names::Place;
    use super::*;

    fn shown(text: &str, is_error: bool) -> Value {
        let tenant = Tenant {
            place: Place::new("123", "l"),
            project_id: "acme".to_owned(),
            endpoint: "e".to_owned(),
            deployed_model: "7".to_owned(),
            model: "m".to_owned(),
            model_display_name: "M".to_owned(),
            version: 2,
        };
        let line = Line { time: SystemTime::UNIX_EPOCH, is_error, text: text.to_owned() };
        show(&tenant, "acme", &line)
    }

    #[test]
    fn text_is_text_and_json_is_taken_apart() {
        let entry = shown("Traceback", true);
        assert_eq!(
            (&entry["textPayload"], &entry["severity"]),
            (&"Traceback".into(), &"ERROR".into())
        );
        assert_eq!(entry["timestamp"], "1970-01-01T00:00:00.000000000Z");
        let entry = shown("{\"severity\":\"warning\",\"message\":\"m\",\"n\":1}", false);
        assert_eq!(entry["severity"], "WARNING");
        assert_eq!(entry["jsonPayload"], json!({"message": "m", "n": 1}));
        assert_eq!(shown("[1]", false)["textPayload"], "[1]");
    }
}
