//! Why an input cannot be used.

use std::io;

use thiserror::Error;

use crate::document::{API_VERSION, KIND};
use crate::kind::{Explain, Kind};

/// The largest document that is read: twice that of a model of 100,000 files.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Error)]
pub enum InputError {
    #[error("the input is empty")]
    Empty,
    #[error("cannot read the input")]
    Unreadable(#[source] io::Error),
    #[error("the input is larger than {} MiB", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    #[error("the input is not JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("there is more than one JSON value in the input")]
    SecondValue,
    #[error("the input is {0}, not a JSON object")]
    NotObject(&'static str),
    #[error("the input has {}", found("kind", .0.as_deref()))]
    OtherKind(Option<String>),
    #[error("the input has {}", found("apiVersion", .0.as_deref()))]
    OtherVersion(Option<String>),
    #[error("the document has an unusable field")]
    Field(#[source] serde_path_to_error::Error<serde_json::Error>),
    #[error("stages.{stage} is missing")]
    StageMissing { stage: &'static str, tool: &'static str },
    #[error("{0}")]
    Unusable(String),
}

fn found(field: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{field} '{value}'"),
        None => format!("no {field}"),
    }
}

impl Explain for InputError {
    fn kind(&self) -> Kind {
        if matches!(self, Self::Unreadable(_)) { Kind::Failed } else { Kind::Input }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Empty => "the stage before wrote nothing; its own message says why".into(),
            Self::TooLarge => {
                "a document describes files and never holds them; look at what wrote it".into()
            }
            Self::NotJson(_) | Self::NotObject(_) | Self::SecondValue | Self::Field(_) => {
                "give it the output of the stage before, unchanged or edited as JSON".into()
            }
            Self::OtherKind(_) => format!("this build reads kind '{KIND}'"),
            Self::OtherVersion(_) => format!("this build reads apiVersion '{API_VERSION}'"),
            Self::StageMissing { tool, .. } => format!("run {tool} first"),
            Self::Unreadable(_) | Self::Unusable(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Deployment;

    fn document(rest: &str) -> String {
        format!(r#"{{"apiVersion":"{API_VERSION}","kind":"{KIND}"{rest}}}"#)
    }

    fn refused(input: &str) -> String {
        Deployment::parse(input.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn each_bad_input_has_its_own_message() {
        let cases = [
            ("", "the input is empty"),
            (" \n\t ", "the input is empty"),
            ("{", "the input is not JSON"),
            ("NaN", "the input is not JSON"),
            ("[]", "the input is an array, not a JSON object"),
            ("{}", "the input has no kind"),
            (r#"{"kind":"Pod"}"#, "the input has kind 'Pod'"),
            (r#"{"kind":"Deployment"}"#, "the input has no apiVersion"),
            (
                r#"{"apiVersion":"mlflow-aip/v2","spec":[],"kind":"Pod"}"#,
                "the input has kind 'Pod'",
            ),
            ("{\"spec\":[],\"kind\":7}", "the input has no kind"),
            (" 1e3 ", "the input is a number, not a JSON object"),
            ("nothing", "the input is not JSON"),
            (
                r#"{"kind":"Deployment","apiVersion":"mlflow-aip/v2"}"#,
                "the input has apiVersion 'mlflow-aip/v2'",
            ),
        ];
        for (input, message) in cases {
            assert_eq!(refused(input), message, "{input}");
        }
        assert_eq!(
            refused(&(document("") + "{}")),
            "there is more than one JSON value in the input"
        );
        assert_eq!(refused(&document(r#","spec":[]"#)), "the document has an unusable field");
        assert_eq!(refused(&" ".repeat(MAX_BYTES + 1)), "the input is larger than 64 MiB");
    }

    #[test]
    fn an_unusable_field_is_named() {
        let text = document(r#","spec":{"target":"mars"}"#);
        let error = Deployment::parse(text.as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.starts_with("spec.target: unknown variant `mars`"), "{source}");
    }

    #[test]
    fn a_missing_stage_names_its_tool() {
        let error = crate::Stages::default().uploaded().unwrap_err();
        assert_eq!(error.to_string(), "stages.upload is missing");
        assert_eq!(error.hint().unwrap(), "run aip-upload first");
    }
}
