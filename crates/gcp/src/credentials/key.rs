//! A service account's key file.

use std::path::PathBuf;

use serde_json::Value;
use transport::may_carry_credentials;

use super::CredentialsError;

/// What is known of a key before it is used. The key itself stays in the file.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) path: PathBuf,
    pub(super) email: String,
    pub(super) token_uri: String,
}

impl Key {
    /// gcp_auth reads service accounts only and says of any other file no more
    /// than that a field is missing: the type is looked at first.
    pub(super) fn read(path: PathBuf) -> Result<Self, CredentialsError> {
        let shown = path.display().to_string();
        let text = std::fs::read(&path)
            .map_err(|source| CredentialsError::Unreadable { path: shown.clone(), source })?;
        let file: Value = serde_json::from_slice(&text)
            .map_err(|_| CredentialsError::NotCredentials { path: shown.clone() })?;
        let field = |name: &str| file[name].as_str().map(str::to_owned);
        match (field("type").as_deref(), field("client_email"), field("token_uri")) {
            (Some("service_account"), Some(email), Some(token_uri)) => {
                if may_carry_credentials(&token_uri) {
                    Ok(Self { path, email, token_uri })
                } else {
                    Err(CredentialsError::ClearText { url: transport::redact(&token_uri) })
                }
            }
            (Some("service_account") | None, ..) => {
                Err(CredentialsError::NotCredentials { path: shown })
            }
            (Some(kind), ..) => {
                Err(CredentialsError::Unsupported { path: shown, kind: kind.into() })
            }
        }
    }

    pub(super) fn account(&self) -> Result<gcp_auth::CustomServiceAccount, gcp_auth::Error> {
        gcp_auth::CustomServiceAccount::from_file(&self.path)
    }

    pub(super) fn from(&self) -> String {
        format!("'{}' by '{}'", self.path.display(), self.token_uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Key, CredentialsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Key::read(file.path().to_owned())
    }

    #[test]
    fn a_service_account_is_recognised() {
        let key = read(r#"{"type":"service_account","client_email":"a@b","token_uri":"http://127.0.0.1:1/token"}"#).unwrap();
        assert_eq!(
            (key.email.as_str(), key.token_uri.as_str()),
            ("a@b", "http://127.0.0.1:1/token")
        );
    }

    #[test]
    fn other_files_are_told_apart() {
        let user = read(r#"{"type":"authorized_user","refresh_token":"secret"}"#).unwrap_err();
        assert!(
            matches!(&user, CredentialsError::Unsupported { kind, .. } if kind == "authorized_user")
        );
        assert!(!format!("{user} {user:?}").contains("secret"));
        assert!(matches!(read("{}"), Err(CredentialsError::NotCredentials { .. })));
        assert!(matches!(read("no"), Err(CredentialsError::NotCredentials { .. })));
        let clear = r#"{"type":"service_account","client_email":"a","token_uri":"http://example.com/token"}"#;
        assert!(matches!(read(clear), Err(CredentialsError::ClearText { .. })));
    }
}
