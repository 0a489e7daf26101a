//! A credentials file: its `type` says what it is.

use std::path::Path;

use serde_json::Value;

use super::CredentialsError;
use super::authorized_user::AuthorizedUser;
use super::external_account::ExternalAccount;
use super::external_user::ExternalUser;
use super::fields::{Fields, shown};
use super::identity::Identity;
use super::impersonated::Impersonated;
use super::service_account::ServiceAccount;

/// Who the file stands for, and the project that pays for its requests.
pub(super) type Found = (Box<dyn Identity>, Option<String>);

pub(super) fn read(path: &Path) -> Result<Found, CredentialsError> {
    let text = std::fs::read(path)
        .map_err(|source| CredentialsError::Unreadable { path: shown(path), source })?;
    let value: Value = serde_json::from_slice(&text)
        .map_err(|_| CredentialsError::NotCredentials { path: shown(path) })?;
    let fields = Fields::new(path, &value)?;
    Ok((identity(&fields)?, fields.optional("quota_project_id")))
}

/// Impersonation holds its source in the same form.
pub(super) fn identity(fields: &Fields) -> Result<Box<dyn Identity>, CredentialsError> {
    Ok(match fields.kind {
        "service_account" => Box::new(ServiceAccount::read(fields)?),
        "authorized_user" => Box::new(AuthorizedUser::read(fields)?),
        "external_account" => Box::new(ExternalAccount::read(fields)?),
        "external_account_authorized_user" => Box::new(ExternalUser::read(fields)?),
        "impersonated_service_account" => Box::new(Impersonated::read(fields)?),
        kind => {
            let instead = match kind {
                "gdch_service_account" => {
                    "it is for Google Distributed Cloud's own services; use a service account \
                     of Google Cloud"
                }
                _ => {
                    "give a token: --access-token-file <(gcloud auth application-default \
                     print-access-token)"
                }
            };
            return Err(CredentialsError::Unsupported {
                path: shown(fields.path),
                what: format!("credentials of type '{kind}'"),
                instead: instead.into(),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Found, CredentialsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn files_are_told_apart() {
        let (identity, quota) = read_text(
            r#"{"type":"authorized_user","client_id":"i","client_secret":"sesame",
                "refresh_token":"sesame","quota_project_id":"q"}"#,
        )
        .unwrap();
        assert_eq!((identity.kind(), quota.as_deref()), ("authorized_user", Some("q")));
        assert!(!identity.is_local() && !format!("{identity:?}").contains("sesame"));

        let error = read_text(r#"{"type":"authorized_user","refresh_token":"sesame"}"#);
        let error = error.unwrap_err();
        assert!(
            matches!(&error, CredentialsError::Incomplete { field, .. } if field == "client_id")
        );
        assert!(!format!("{error} {error:?}").contains("sesame"));
        for text in ["{}", "no", "[]", r#"{"type":1}"#] {
            assert!(matches!(read_text(text), Err(CredentialsError::NotCredentials { .. })));
        }
        for kind in ["gdch_service_account", "of_tomorrow"] {
            let error = read_text(&format!(r#"{{"type":"{kind}"}}"#)).unwrap_err();
            assert!(
                matches!(error, CredentialsError::Unsupported { what, .. } if what.contains(kind))
            );
        }
    }

    #[test]
    fn no_address_that_sees_a_secret_is_in_clear_text() {
        for text in [
            r#"{"type":"service_account","client_email":"a","private_key":"k",
                "token_uri":"http://example.com/token"}"#,
            r#"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r",
                "token_uri":"http://example.com/token"}"#,
            r#"{"type":"external_account","audience":"a","subject_token_type":"t",
                "token_url":"http://example.com","credential_source":{"file":"f"}}"#,
            r#"{"type":"external_account","audience":"a","subject_token_type":"t",
                "service_account_impersonation_url":"http://example.com",
                "credential_source":{"file":"f"}}"#,
            r#"{"type":"external_account","audience":"a","subject_token_type":"t",
                "credential_source":{"url":"http://example.com"}}"#,
        ] {
            let error = read_text(text).unwrap_err();
            assert!(matches!(error, CredentialsError::ClearText { .. }), "{text}: {error}");
        }
    }
}
