//! Where an external account's own token is: in a file, behind a URL, or with
//! a program.

use std::path::PathBuf;

use serde_json::Value;
use thiserror::Error;
use transport::{HttpError, is_link_local, may_carry_credentials};

use super::CredentialsError;
use super::executable::{Context, Executable, ExecutableError};
use super::fields::{Fields, shown};
use super::secret::Secret;

#[derive(Debug)]
pub(super) struct Subject {
    source: Source,
    /// The field of JSON that holds it; without one, all of the text does.
    field: Option<String>,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url { url: String, headers: Vec<(String, Secret)> },
    Executable(Executable),
}

/// Why there is nothing to exchange.
#[derive(Debug, Error)]
pub enum SubjectError {
    #[error("cannot read '{path}'")]
    File { path: String, source: std::io::Error },
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Executable(#[from] ExecutableError),
    #[error("there is no token in {place}")]
    Empty { place: String },
    #[error("there is no field '{field}' with a token in {place}")]
    NoField { place: String, field: String },
}

impl Subject {
    pub(super) fn read(fields: &Fields, context: Context) -> Result<Self, CredentialsError> {
        let value = &fields.value["credential_source"];
        let inner = Fields { value, ..*fields };
        let source = if let Some(path) = inner.optional("file") {
            Source::File(path.into())
        } else if let Some(url) = inner.optional("url").filter(|_| !is_aws(value)) {
            // Azure's metadata server is asked like this, and its network ends
            // where the machine does.
            if !may_carry_credentials(&url) && !is_link_local(&url) {
                return Err(CredentialsError::ClearText { url: transport::redact(&url) });
            }
            Source::Url { url, headers: headers(&value["headers"]) }
        } else if value["executable"].is_object() {
            let executable = Fields { value: &value["executable"], ..*fields };
            Source::Executable(Executable::read(&executable, context)?)
        } else {
            return Err(unsupported(fields, value));
        };
        let format = Fields { value: &value["format"], ..*fields };
        let field = match format.optional("type").as_deref() {
            Some("json") => Some(format.text("subject_token_field_name")?),
            _ => None,
        };
        Ok(Self { source, field })
    }

    pub(super) fn token(&self) -> Result<Secret, SubjectError> {
        let (content, place) = match &self.source {
            Source::File(path) => {
                let place = format!("'{}'", path.display());
                let content = std::fs::read(path)
                    .map_err(|source| SubjectError::File { path: shown(path), source })?;
                (content, place)
            }
            Source::Url { url, headers } => {
                let headers = headers.iter().map(|(name, value)| (name.as_str(), value.0.clone()));
                let content = super::exchange::get(url, &headers.collect::<Vec<_>>())?;
                (content, format!("the answer of '{}'", transport::redact(url)))
            }
            Source::Executable(executable) => return Ok(executable.token()?),
        };
        let Some(field) = &self.field else {
            let text = String::from_utf8_lossy(&content);
            let token = text.trim();
            let found = (!token.is_empty()).then(|| Secret(token.to_owned()));
            return found.ok_or(SubjectError::Empty { place });
        };
        let value: Value = serde_json::from_slice(&content).unwrap_or_default();
        let token = value[field].as_str().filter(|token| !token.is_empty());
        let found = token.map(|token| Secret(token.to_owned()));
        found.ok_or_else(|| SubjectError::NoField { place, field: field.clone() })
    }
}

fn headers(value: &Value) -> Vec<(String, Secret)> {
    let headers = value.as_object().into_iter().flatten();
    headers
        .filter_map(|(name, value)| Some((name.clone(), Secret(value.as_str()?.to_owned()))))
        .collect()
}

/// AWS signs a request instead of giving a token.
fn is_aws(source: &Value) -> bool {
    source["environment_id"].as_str().is_some_and(|id| id.starts_with("aws"))
}

fn unsupported(fields: &Fields, source: &Value) -> CredentialsError {
    let what = if is_aws(source) {
        "an AWS credential source"
    } else if source.get("certificate").is_some() {
        "a certificate as credential source"
    } else {
        return fields.lacks("credential_source");
    };
    CredentialsError::Unsupported {
        path: shown(fields.path),
        what: what.into(),
        instead: "use a credential_source with 'file', 'url' or 'executable', or give a token: \
                  --access-token-file"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subject(source: &Value) -> Result<Subject, CredentialsError> {
        let value = json!({"credential_source": source});
        let fields = Fields { path: "cred.json".as_ref(), kind: "external_account", value: &value };
        Subject::read(&fields, Context::default())
    }

    fn in_file(content: &str, format: &Value) -> Result<String, SubjectError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let subject = subject(&json!({"file": file.path(), "format": format})).unwrap();
        subject.token().map(|token| token.0)
    }

    #[test]
    fn a_file_is_text_or_json() {
        let json = json!({"type": "json", "subject_token_field_name": "value"});
        assert_eq!(in_file("sesame\n", &json!({"type": "text"})).unwrap(), "sesame");
        assert_eq!(in_file(r#"{"value":"sesame"}"#, &json).unwrap(), "sesame");
        assert!(matches!(in_file(" \n", &Value::Null), Err(SubjectError::Empty { .. })));
        for content in ["sesame", r#"{"token":"sesame"}"#, r#"{"value":""}"#] {
            let error = in_file(content, &json).unwrap_err();
            assert!(error.to_string().contains("no field 'value'"), "{error}");
            assert!(!format!("{error:?}").contains("sesame"));
        }
    }

    #[test]
    fn what_is_no_source_is_told_apart() {
        let aws = json!({"environment_id": "aws1", "url": "http://169.254.169.254/latest"});
        let error = subject(&aws).unwrap_err();
        assert!(
            matches!(error, CredentialsError::Unsupported { what, .. } if what.contains("AWS"))
        );
        assert!(matches!(subject(&json!({})), Err(CredentialsError::Incomplete { .. })));
        let azure = json!({
            "url": "http://169.254.169.254/metadata/identity/oauth2/token",
            "headers": {"Metadata": "True"},
            "format": {"type": "json", "subject_token_field_name": "access_token"},
        });
        assert!(subject(&azure).is_ok());
    }
}
