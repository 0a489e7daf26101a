//! Reading and writing the document.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::document::{API_VERSION, Deployment, KIND};
use crate::kind::{Explain, Kind};

/// The largest document that is read: twice that of a model of 100,000 files.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Why an input cannot be used.
#[derive(Debug, Error)]
pub enum InputError {
    #[error("the input is empty")]
    Empty,
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
        Kind::Input
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
            Self::Unusable(_) => return None,
        })
    }
}

impl Deployment {
    /// Reads exactly one document.
    pub fn parse(input: &[u8]) -> Result<Self, InputError> {
        if input.len() > MAX_BYTES {
            return Err(InputError::TooLarge);
        }
        if input.iter().all(u8::is_ascii_whitespace) {
            return Err(InputError::Empty);
        }
        let mut reader = serde_json::Deserializer::from_slice(input);
        // Not a `Value`: of a hundred thousand files it takes ten times their text.
        let value = <&RawValue>::deserialize(&mut reader).map_err(InputError::NotJson)?.get();
        reader.end().map_err(|_| InputError::SecondValue)?;

        if !value.starts_with('{') {
            return Err(InputError::NotObject(type_name(value)));
        }
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(value).map_err(InputError::NotJson)?;
        let text = |key| fields.get(key).and_then(|value| serde_json::from_str(value.get()).ok());
        // Kind and version come before the fields: what another version calls
        // a field is not ours to judge.
        let (kind, version): (Option<String>, Option<String>) = (text("kind"), text("apiVersion"));
        if kind.as_deref() != Some(KIND) {
            return Err(InputError::OtherKind(kind));
        }
        if version.as_deref() != Some(API_VERSION) {
            return Err(InputError::OtherVersion(version));
        }
        let mut reader = serde_json::Deserializer::from_slice(input);
        serde_path_to_error::deserialize(&mut reader).map_err(InputError::Field)
    }
}

/// Of a value that is no object, by how its text begins.
fn type_name(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn document(rest: &str) -> String {
        format!(r#"{{"apiVersion":"{API_VERSION}","kind":"{KIND}"{rest}}}"#)
    }

    fn refused(input: &str) -> String {
        Deployment::parse(input.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn unknown_fields_survive_at_every_level() {
        let text = document(
            r#","x":{"deep":[1,{"y":null}]},
            "spec":{"project":"p","later":"é\u0000日本","aiPlatform":{"soon":true}},
            "stages":{"fetch":{"modelUri":"m","directory":"/d","digest":"d","new":1.0,
                "files":[{"path":"a","size":18446744073709551615,"sha256":"s","crc32c":"c","big":123456789012345678901234567890}],
                "lineage":{"runId":"r","z":[]}},"other":{"k":1e400}},
            "results":[{"stage":"s","severity":"fatal","message":"m","code":7}]"#,
        );
        let before: Value = serde_json::from_str(&text).unwrap();
        let document = Deployment::parse(text.as_bytes()).unwrap();
        let after = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), {
            let mut expected = before;
            // The one thing that is added: fields with a default value.
            expected["stages"]["fetch"]["flavors"] = serde_json::json!({});
            expected
        });
        assert!(after.contains("123456789012345678901234567890") && after.contains("1e+400"));
    }

    #[test]
    fn a_model_of_many_files_fits() {
        use crate::{Fetch, File, Object, Upload};

        let path = |n| format!("data/shards/of-a-long-name-{n:06}/part-00000.parquet");
        let (size, crc32c) = (u64::from(u32::MAX), "AAAAAA==".to_owned());
        let file = |n| {
            let (path, crc32c) = (path(n), crc32c.clone());
            File { path, size, sha256: "0".repeat(64), crc32c, ..File::default() }
        };
        let object = |n| {
            let uri = format!("gs://a-bucket-of-ours/production/route/v1/model/{}", path(n));
            let (crc32c, generation) = (crc32c.clone(), Some(1_700_000_000_000_000));
            Object { uri, size, crc32c, generation, ..Object::default() }
        };
        let mut document: Deployment = Deployment::parse(document("").as_bytes()).unwrap();
        let stages = &mut document.stages;
        stages.fetch = Some(Fetch { files: (0..100_000).map(file).collect(), ..Fetch::default() });
        let objects = (0..100_000).map(object).collect();
        stages.upload = Some(Upload { objects, ..Upload::default() });
        let text = serde_json::to_vec(&document).unwrap();
        assert!(text.len() < MAX_BYTES, "{}", text.len());
        assert!(Deployment::parse(&text).is_ok());
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
        let error = Deployment::default().uploaded().unwrap_err();
        assert_eq!(error.to_string(), "stages.upload is missing");
        assert_eq!(error.hint().unwrap(), "run aip-upload first");
    }
}
