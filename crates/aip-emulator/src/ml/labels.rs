//! Labels, by the rules that all of Google Cloud shares.

use serde_json::{Map, Value};

use super::refusal::invalid;
use crate::error::ApiError;

const MAX_LABELS: usize = 64;
const MAX_LENGTH: usize = 63;

/// Refuses labels that Google Cloud refuses.
pub(super) fn check(resource: &str, spec: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(labels) = spec.get("labels").and_then(Value::as_object) else { return Ok(()) };
    let refuse = |text: String| Err(invalid(&format!("{resource}.labels"), &text));
    if labels.len() > MAX_LABELS {
        return refuse(format!("At most {MAX_LABELS} labels are allowed, not {}.", labels.len()));
    }
    for (key, value) in labels {
        if !key.starts_with(is_letter) || !is_label(key) {
            return refuse(format!(
                "The label key '{key}' is invalid: it must start with a lowercase letter and have \
                 at most {MAX_LENGTH} lowercase letters, numbers, dashes and underscores."
            ));
        }
        if !value.as_str().is_some_and(is_label) {
            return refuse(format!(
                "The value {value} of the label '{key}' is invalid: it must have at most \
                 {MAX_LENGTH} lowercase letters, numbers, dashes and underscores."
            ));
        }
    }
    Ok(())
}

/// Letters of any script, unless they are capitals.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() && !c.is_uppercase()
}

fn is_label(text: &str) -> bool {
    text.chars().count() <= MAX_LENGTH
        && text.chars().all(|c| is_letter(c) || c.is_numeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(key: &str, value: &str) -> bool {
        let labels = Map::from_iter([(key.to_owned(), value.into())]);
        check("model", &Map::from_iter([("labels".to_owned(), labels.into())])).is_ok()
    }

    #[test]
    fn labels_are_lower_case_words() {
        assert!(accepts("mlflow_run", "2c6d-07") && accepts("é", "") && accepts("a", "9"));
        for (key, value) in
            [("", "a"), ("A", "a"), ("1", "a"), ("a.b", "a"), ("a", "B"), ("a", "x/y")]
        {
            assert!(!accepts(key, value), "{key}={value}");
        }
        assert!(accepts(&"k".repeat(63), &"v".repeat(63)));
        assert!(!accepts(&"k".repeat(64), "v") && !accepts("k", &"v".repeat(64)));
    }

    #[test]
    fn there_are_at_most_64() {
        let labels = |n: usize| -> Map<String, Value> {
            let all: Map<_, _> = (0..n).map(|i| (format!("l{i}"), "v".into())).collect();
            Map::from_iter([("labels".to_owned(), all.into())])
        };
        assert!(check("version", &labels(64)).is_ok() && check("version", &labels(65)).is_err());
    }
}
