//! The `filter` of a list.

use serde_json::Value;

use super::refusal::invalid;
use crate::api::mask::camel;
use crate::error::ApiError;

/// Terms with AND between them; OR binds closer, and NOT closest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter(Vec<Vec<Term>>);

#[derive(Debug, PartialEq, Eq)]
struct Term {
    is_negated: bool,
    /// In camel case; `labels` has keys of its own
    field: String,
    key: Option<String>,
    operator: Operator,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    /// `:` is a wildcard match, or says that a label is there
    Has,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::Unequal),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    (":", Operator::Has),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Filter {
    /// `fields` are those that the list can be filtered by. What is not
    /// understood is not passed over: a list that is too long would look like
    /// an answer.
    pub(super) fn parse(text: &str, fields: &[&str]) -> Result<Self, ApiError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut all = vec![Vec::new()];
        for (word, joint) in terms(text) {
            let term = Term::parse(word.trim()).filter(|term| fields.contains(&&*term.field));
            let term = term.ok_or_else(|| {
                invalid(&format!("Invalid filter: '{word}'. Fields: {}.", fields.join(", ")))
            })?;
            if let Some(last) = all.last_mut() {
                last.push(term);
            }
            if joint == " AND " {
                all.push(Vec::new());
            }
        }
        Ok(Self(all))
    }

    /// Whether a resource, as it is shown, is wanted.
    pub(super) fn wants(&self, shown: &Value) -> bool {
        self.0.iter().all(|any| any.iter().any(|term| term.wants(shown)))
    }
}

/// The terms of a filter and what follows each; what is quoted is not looked into.
fn terms(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let (mut start, mut is_quoted) = (0, false);
    for (at, c) in text.char_indices() {
        is_quoted ^= c == '"';
        let joint = [" AND ", " OR "].into_iter().find(|joint| text[at..].starts_with(joint));
        if let Some(joint) = joint.filter(|_| !is_quoted && at >= start) {
            found.push((&text[start..at], joint));
            start = at + joint.len();
        }
    }
    found.push((&text[start..], ""));
    found
}

impl Term {
    fn parse(term: &str) -> Option<Self> {
        let (is_negated, term) = match term.strip_prefix("NOT ") {
            Some(term) => (true, term.trim()),
            None => (false, term),
        };
        let at = term.find(['=', '!', ':', '<', '>'])?;
        let (name, rest) = term.split_at(at);
        let (sign, operator) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign))?;
        let value = unquote(rest[sign.len()..].trim())?;
        let (field, key) = match name.trim().split_once('.') {
            Some((field, key)) => (field, Some(unquote(key)?)),
            None => (name.trim(), None),
        };
        let term = Self { is_negated, field: camel(field), key, operator: *operator, value };
        // `labels:key` says the same as `labels.key:*`.
        if term.field == "labels" && term.key.is_none() && *operator == Operator::Has {
            let (key, value) = (Some(term.value), "*".to_owned());
            return Some(Self { key, value, ..term });
        }
        ((term.field == "labels") == term.key.is_some() && !term.field.is_empty()).then_some(term)
    }

    fn wants(&self, shown: &Value) -> bool {
        let found = match &self.key {
            Some(key) => shown[&self.field][key].as_str(),
            // The last segment of the name is the id.
            None if self.field == "model" || self.field == "endpoint" => {
                let name = shown["name"].as_str().unwrap_or_default();
                name.rsplit('/').next().and_then(|id| id.split('@').next())
            }
            None => shown[&self.field].as_str(),
        };
        let value = self.value.as_str();
        let holds = match self.operator {
            Operator::Equal => found.is_some_and(|found| found == value),
            Operator::Unequal => found.is_none_or(|found| found != value),
            Operator::Has => found.is_some_and(|found| matches(value, found)),
            Operator::Less => found.is_some_and(|found| found < value),
            Operator::AtMost => found.is_some_and(|found| found <= value),
            Operator::Greater => found.is_some_and(|found| found > value),
            Operator::AtLeast => found.is_some_and(|found| found >= value),
        };
        holds != self.is_negated
    }
}

/// `*` stands for anything, at either end.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (_, Some("")) => true,
        (Some(rest), Some(_)) => text.contains(rest.trim_end_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => text == pattern,
    }
}

fn unquote(value: &str) -> Option<String> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|value| !value.contains(['"', '\\'])),
        None => Some(value).filter(|value| !value.is_empty() && !value.contains(['"', ' ', '('])),
    }
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: [&str; 5] = ["displayName", "labels", "model", "state", "createTime"];

    #[test]
    fn the_forms_of_the_documentation() {
        let shown = json!({
            "name": "projects/1/locations/l/models/iris", "displayName": "my AND iris",
            "labels": {"team": "a"}, "state": "DONE", "createTime": "2026-01-02T00:00:00Z",
        });
        for (filter, expected) in [
            ("", true),
            ("model=iris", true),
            ("model!=iris", false),
            ("display_name=\"my AND iris\"", true),
            ("displayName=\"my\"", false),
            ("display_name:\"my*\"", true),
            ("display_name:\"*iris\"", true),
            ("labels.team=a", true),
            ("labels.team=\"b\"", false),
            ("labels.team:*", true),
            ("labels:team", true),
            ("labels:other", false),
            ("state=DONE AND labels.team=b", false),
            ("state=\"X\" OR labels.team=a", true),
            ("state=X OR state=Y AND labels.team=a", false),
            ("NOT state=DONE", false),
            ("createTime>\"2026-01-01T00:00:00Z\"", true),
            ("create_time<=\"2026-01-01T00:00:00Z\"", false),
        ] {
            assert_eq!(Filter::parse(filter, &FIELDS).unwrap().wants(&shown), expected, "{filter}");
        }
        for filter in ["iris", "other=a", "labels=a", "model=", "model=a AND", "model=\"a", "(a=b)"]
        {
            assert!(Filter::parse(filter, &FIELDS).is_err(), "{filter}");
        }
    }
}
