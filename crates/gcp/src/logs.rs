//! Cloud Logging, v2: the last lines of what failed.

use serde_json::{Value, json};

use crate::api::Request;
use crate::{Error, Service};

/// The last `limit` lines that a filter finds, in their order.
/// <https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list>
pub fn last_lines(
    service: &Service,
    project: &str,
    filter: &str,
    limit: usize,
) -> Result<Vec<String>, Error> {
    let answer = service.call(&Request::new("POST", "/v2/entries:list").json(&json!({
        "resourceNames": [format!("projects/{project}")],
        "filter": filter,
        "orderBy": "timestamp desc",
        "pageSize": limit,
    })))?;
    let entries = answer["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(entries.iter().take(limit).filter_map(line).rev().collect())
}

/// The lines of a build, as gcloud asks for them.
pub fn of_build(project: &str, build_id: &str) -> String {
    format!(
        "logName=\"projects/{project}/logs/cloudbuild\" AND resource.type=\"build\" \
         AND resource.labels.build_id=\"{build_id}\""
    )
}

/// What a program printed: text, or JSON with a message in it.
fn line(entry: &Value) -> Option<String> {
    let text =
        entry["textPayload"].as_str().or_else(|| entry["jsonPayload"]["message"].as_str())?;
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds() {
        assert_eq!(line(&json!({"textPayload": "a\n"})).unwrap(), "a");
        assert_eq!(line(&json!({"jsonPayload": {"message": "b"}})).unwrap(), "b");
        assert_eq!(line(&json!({"protoPayload": {}})), None);
    }
}
