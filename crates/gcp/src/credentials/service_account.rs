//! `service_account`: a key file. gcp_auth reads the key and signs with it; the
//! request is ours, for gcp_auth keeps the token service's words to itself and
//! asks five times whatever they are.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gcp_auth::CustomServiceAccount;
use serde_json::{Value, json};
use transport::{HttpError, is_loopback};

use super::fields::{Fields, shown};
use super::identity::Identity;
use super::secret::{Secret, Token};
use super::{CredentialsError, SCOPE, exchange};

/// What the service allows at most.
const LIFETIME: u64 = 3600;

#[derive(Debug)]
pub(super) struct ServiceAccount {
    path: String,
    from: String,
    email: String,
    key_id: Option<String>,
    token_uri: String,
    file: Secret,
}

impl ServiceAccount {
    pub(super) fn read(fields: &Fields) -> Result<Self, CredentialsError> {
        fields.text("private_key")?;
        Ok(Self {
            path: shown(fields.path),
            from: fields.from(),
            email: fields.text("client_email")?,
            key_id: fields.optional("private_key_id"),
            token_uri: fields.url("token_uri")?.ok_or_else(|| fields.lacks("token_uri"))?,
            file: Secret(fields.value.to_string()),
        })
    }

    /// RFC 7523: who asks, for what, of whom, and for how long; signed.
    fn assertion(&self, now: u64) -> Result<String, gcp_auth::Error> {
        let account = CustomServiceAccount::from_json(&self.file.0)?;
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": self.token_uri,
            "iat": now, "exp": now + LIFETIME,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = account.signer().sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn refused(&self, source: HttpError) -> CredentialsError {
        let hint = "look whether the key still exists (gcloud iam service-accounts keys list \
                    --iam-account ";
        let hint = format!("{hint}{}) and whether this machine's clock is right", self.email);
        CredentialsError::no_token(&self.from, source, hint)
    }
}

impl Identity for ServiceAccount {
    fn kind(&self) -> &'static str {
        "service_account"
    }

    fn principal(&self) -> Option<String> {
        Some(self.email.clone())
    }

    fn is_local(&self) -> bool {
        is_loopback(&self.token_uri)
    }

    fn fetch(&self) -> Result<Token, CredentialsError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let assertion = self
            .assertion(now.as_secs())
            .map_err(|error| CredentialsError::Key { path: self.path.clone(), why: why(&error) })?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ];
        exchange::oauth(&self.token_uri, &form, &[]).map_err(|error| self.refused(error))
    }
}

/// gcp_auth's own words and no more: the rest may quote the key.
fn why(error: &gcp_auth::Error) -> &'static str {
    match error {
        gcp_auth::Error::NoAuthMethod(..) => "",
        gcp_auth::Error::Http(what, _)
        | gcp_auth::Error::Io(what, _)
        | gcp_auth::Error::Json(what, _)
        | gcp_auth::Error::Other(what, _)
        | gcp_auth::Error::Str(what) => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_key_does_not_show() {
        for key in ["sesame", "-----BEGIN PRIVATE KEY-----sesame-----END PRIVATE KEY-----"] {
            let value = json!({
                "client_email": "a@b", "private_key": key, "token_uri": "http://127.0.0.1:1/",
            });
            let fields =
                Fields { path: "key.json".as_ref(), kind: "service_account", value: &value };
            let account = ServiceAccount::read(&fields).unwrap();
            let error = account.fetch().unwrap_err();
            assert!(matches!(error, CredentialsError::Key { .. }), "{error}");
            assert!(!format!("{error} {error:?} {account:?}").contains("sesame"));
        }
    }
}
