//! The part of the Logging query language that clients use for containers.

use serde_json::Value;

use super::entry::SEVERITIES;
use super::invalid;
use crate::api::refusal::unimplemented;
use crate::error::ApiError;

/// Comparisons that all must hold; `AND`, blanks and line ends join them.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<Comparison>);

#[derive(Debug)]
struct Comparison {
    path: Vec<String>,
    operator: &'static str,
    value: String,
}

const OPERATORS: [&str; 7] = [">=", "<=", "!=", "=", ":", ">", "<"];

impl Query {
    pub(super) fn parse(filter: &str) -> Result<Self, ApiError> {
        let mut comparisons = Vec::new();
        let mut rest = filter.trim();
        while !rest.is_empty() {
            let (word, after) = path(rest)?;
            rest = after.trim_start();
            if word == ["AND"] {
                continue;
            }
            let Some(operator) = OPERATORS.into_iter().find(|sign| rest.starts_with(sign)) else {
                return Err(unimplemented("queries of logs other than comparisons joined by AND"));
            };
            let (value, after) = value(rest[operator.len()..].trim_start())?;
            comparisons.push(Comparison { path: word, operator, value });
            rest = after.trim_start();
        }
        Ok(Self(comparisons))
    }

    pub(super) fn wants(&self, entry: &Value) -> bool {
        self.0.iter().all(|comparison| comparison.holds(entry))
    }
}

/// `labels."a.b".c`, and what follows it
fn path(text: &str) -> Result<(Vec<String>, &str), ApiError> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = value(rest)?;
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return Ok((parts, after)),
        }
    }
}

/// A word or a quoted text, and what follows it
fn value(text: &str) -> Result<(String, &str), ApiError> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, after) =
            quoted.split_once('"').ok_or_else(|| invalid("Unparseable filter: open quote."))?;
        return Ok((value.to_owned(), after));
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_-/%*".contains(c)));
    let (word, after) = text.split_at(end.unwrap_or(text.len()));
    if word.is_empty() {
        return Err(invalid(&format!("Unparseable filter at '{text}'.")));
    }
    Ok((word.to_owned(), after))
}

impl Comparison {
    fn holds(&self, entry: &Value) -> bool {
        let names = self.path.iter().map(String::as_str);
        let found = names.fold(entry, |value, name| &value[name]);
        let text = match found {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        if self.path == ["severity"] {
            return compare(self.operator, &rank(&text), &rank(&self.value));
        }
        if self.operator == ":" {
            return self.value == "*" && !text.is_empty() || text.contains(&self.value);
        }
        compare(self.operator, &text, &self.value)
    }
}

fn rank(severity: &str) -> Option<usize> {
    SEVERITIES.iter().position(|known| known.eq_ignore_ascii_case(severity))
}

fn compare<T: PartialOrd>(operator: &str, found: &T, value: &T) -> bool {
    match operator {
        "=" | ":" => found == value,
        "!=" => found != value,
        ">=" => found >= value,
        "<=" => found <= value,
        ">" => found > value,
        _ => found < value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_clients_ask() {
        let entry = json!({
            "logName": "projects/p/logs/aiplatform.googleapis.com%2Fprediction_container",
            "resource": {"type": "aiplatform.googleapis.com/Endpoint", "labels": {"endpoint_id": "e1"}},
            "labels": {"deployed_model_id": "7"}, "severity": "ERROR",
            "timestamp": "2026-01-02T00:00:00Z", "textPayload": "no such file",
        });
        let one = "resource.type=\"aiplatform.googleapis.com/Endpoint\"\n\
                   resource.labels.endpoint_id=\"e1\"";
        for (filter, expected) in [
            ("", true),
            (one, true),
            (
                "resource.type = \"aiplatform.googleapis.com/Endpoint\" AND labels.deployed_model_id=7",
                true,
            ),
            ("resource.labels.endpoint_id=e2", false),
            ("severity>=WARNING", true),
            ("severity<ERROR", false),
            ("timestamp>=\"2026-01-01T00:00:00Z\" timestamp<\"2026-01-03T00:00:00Z\"", true),
            ("textPayload:\"such\"", true),
            ("textPayload!=\"x\"", true),
            ("labels.\"deployed_model_id\":*", true),
            ("labels.other:*", false),
            ("resource.type=\"build\"", false),
        ] {
            assert_eq!(Query::parse(filter).unwrap().wants(&entry), expected, "{filter}");
        }
        for filter in ["a=b OR c=d", "\"text\"", "NOT a=b", "a=\"b", "(a=b)"] {
            assert!(Query::parse(filter).is_err(), "{filter}");
        }
    }
}
