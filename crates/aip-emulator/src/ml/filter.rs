//! The `filter` of a list, as far as it is simple.

use serde_json::Value;

use super::refusal::unimplemented;
use crate::error::ApiError;

/// Terms that all must hold: `name:PREFIX`, `name=NAME`, `labels.KEY=VALUE`,
/// with ` AND ` between them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter(Vec<Term>);

#[derive(Debug, PartialEq, Eq)]
enum Term {
    Name(String),
    NamePrefix(String),
    Label(String, String),
}

impl Filter {
    /// What is not understood is not passed over: a list that is too long
    /// would look like an answer.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let terms = text.split(" AND ").map(|term| Term::parse(term.trim()));
        terms.collect::<Option<_>>().map(Self).ok_or_else(|| {
            let forms = "name:PREFIX, name=NAME and labels.KEY=VALUE, joined with AND";
            unimplemented(&format!("filters other than {forms}"))
        })
    }

    /// Whether a model or a version, as it is shown, is wanted.
    pub(super) fn wants(&self, shown: &Value) -> bool {
        let full = shown["name"].as_str().unwrap_or_default();
        let bare = full.rsplit('/').next().unwrap_or_default();
        self.0.iter().all(|term| match term {
            Term::Name(name) => name == bare || name == full,
            Term::NamePrefix(prefix) => bare.starts_with(prefix) || full.starts_with(prefix),
            Term::Label(key, value) => shown["labels"][key] == value.as_str(),
        })
    }
}

impl Term {
    fn parse(term: &str) -> Option<Self> {
        let (field, rest) = term.split_at(term.find(['=', ':'])?);
        let (operator, value) = rest.split_at(1);
        let (field, value) = (field.trim(), bare(value.trim())?);
        match (field, operator) {
            ("name", "=") => Some(Self::Name(value)),
            ("name", ":") => {
                Some(Self::NamePrefix(value.strip_suffix('*').unwrap_or(&value).to_owned()))
            }
            (_, "=") => Some(Self::Label(word(field.strip_prefix("labels.")?)?, value)),
            _ => None,
        }
    }
}

/// A value, without its quotes.
fn bare(value: &str) -> Option<String> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|value| !value.contains(['"', '\\'])),
        None => Some(value).filter(|value| word(value).is_some()),
    }
    .map(str::to_owned)
}

fn word(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_alphanumeric() || "-_./*".contains(c);
    (!text.is_empty() && text.chars().all(is_part)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn simple_forms() {
        let model = json!({"name": "projects/p/models/iris", "labels": {"team": "a", "k": ""}});
        for (filter, expected) in [
            ("", true),
            ("name=iris", true),
            ("name = \"iris\"", true),
            ("name=projects/p/models/iris", true),
            ("name=iri", false),
            ("name:iri", true),
            ("name:iri*", true),
            ("name:ris", false),
            ("labels.team=a", true),
            ("labels.team=b", false),
            ("labels.other=a", false),
            ("labels.k=\"\"", true),
            ("name:iris AND labels.team=a", true),
            ("name:iris AND labels.team=b", false),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().wants(&model), expected, "{filter}");
        }
    }

    #[test]
    fn others_are_refused() {
        for filter in [
            "iris",
            "name!=iris",
            "name:a OR name:b",
            "NOT name:a",
            "name>a",
            "labels.team:a",
            "description=x",
            "name=",
            "name:a AND",
            "(name:a)",
            "name=\"a",
        ] {
            assert_eq!(Filter::parse(filter).unwrap_err().code(), 501, "{filter}");
        }
    }
}
