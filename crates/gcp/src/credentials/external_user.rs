//! `external_account_authorized_user`: a person of a workforce identity pool,
//! logged in with gcloud.

use transport::is_loopback;

use super::fields::Fields;
use super::identity::Identity;
use super::secret::{Secret, Token};
use super::{CredentialsError, exchange};

#[derive(Debug)]
pub(super) struct ExternalUser {
    from: String,
    audience: Option<String>,
    token_url: String,
    client: Secret,
    refresh_token: Secret,
}

impl ExternalUser {
    pub(super) fn read(fields: &Fields) -> Result<Self, CredentialsError> {
        let (id, secret) = (fields.text("client_id")?, fields.secret("client_secret")?);
        Ok(Self {
            from: fields.from(),
            audience: fields.optional("audience"),
            token_url: fields.url("token_url")?.ok_or_else(|| fields.lacks("token_url"))?,
            client: exchange::basic(&id, &secret),
            refresh_token: fields.secret("refresh_token")?,
        })
    }
}

impl Identity for ExternalUser {
    fn kind(&self) -> &'static str {
        "external_account_authorized_user"
    }

    fn via(&self) -> Option<String> {
        self.audience.clone()
    }

    fn is_local(&self) -> bool {
        is_loopback(&self.token_url)
    }

    fn fetch(&self) -> Result<Token, CredentialsError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &self.refresh_token.0)];
        let headers = [("authorization", self.client.0.clone())];
        exchange::oauth(&self.token_url, &form, &headers).map_err(|error| {
            let hint = "run 'gcloud auth application-default login' with the workforce pool's \
                        login configuration"
                .into();
            CredentialsError::no_token(&self.from, error, hint)
        })
    }
}
