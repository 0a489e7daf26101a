//! `authorized_user`: a person, as `gcloud auth application-default login`
//! writes them down.

use transport::is_loopback;

use super::fields::Fields;
use super::identity::Identity;
use super::secret::{Secret, Token};
use super::{CredentialsError, exchange};

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

#[derive(Debug)]
pub(super) struct AuthorizedUser {
    from: String,
    account: Option<String>,
    token_uri: String,
    client_id: String,
    client_secret: Secret,
    refresh_token: Secret,
}

impl AuthorizedUser {
    pub(super) fn read(fields: &Fields) -> Result<Self, CredentialsError> {
        Ok(Self {
            from: fields.from(),
            account: fields.optional("account"),
            token_uri: fields.url("token_uri")?.unwrap_or_else(|| TOKEN_URI.into()),
            client_id: fields.text("client_id")?,
            client_secret: fields.secret("client_secret")?,
            refresh_token: fields.secret("refresh_token")?,
        })
    }
}

impl Identity for AuthorizedUser {
    fn kind(&self) -> &'static str {
        "authorized_user"
    }

    /// gcloud leaves the field empty more often than not.
    fn principal(&self) -> Option<String> {
        self.account.clone()
    }

    fn is_local(&self) -> bool {
        is_loopback(&self.token_uri)
    }

    /// Without a scope: the person has agreed to some at login, and asking for
    /// another would be refused.
    fn fetch(&self) -> Result<Token, CredentialsError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret.0),
            ("refresh_token", &self.refresh_token.0),
        ];
        exchange::oauth(&self.token_uri, &form, &[]).map_err(|error| {
            let hint = "run 'gcloud auth application-default login'".into();
            CredentialsError::no_token(&self.from, error, hint)
        })
    }
}
