//! Labels, by the rules that all of Google Cloud shares.

use serde_json::{Map, Value};

const MAX_LABELS: usize = 64;
const MAX_LENGTH: usize = 63;

/// What is wrong with the labels of a resource.
pub(crate) fn problem(spec: &Map<String, Value>) -> Option<String> {
    let labels = spec.get("labels").and_then(Value::as_object)?;
    if labels.len() > MAX_LABELS {
        return Some(format!("At most {MAX_LABELS} labels are allowed, not {}.", labels.len()));
    }
    labels.iter().find_map(|(key, value)| {
        if !key.starts_with(is_letter) || !is_label(key) {
            return Some(format!(
                "The label key '{key}' is invalid: it must start with a lowercase letter and have \
                 at most {MAX_LENGTH} lowercase letters, numbers, dashes and underscores."
            ));
        }
        (!value.as_str().is_some_and(is_label)).then(|| {
            format!(
                "The value {value} of the label '{key}' is invalid: it must have at most \
                 {MAX_LENGTH} lowercase letters, numbers, dashes and underscores."
            )
        })
    })
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
        problem(&Map::from_iter([("labels".to_owned(), labels.into())])).is_none()
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
        assert!(problem(&labels(64)).is_none() && problem(&labels(65)).is_some());
    }
}
