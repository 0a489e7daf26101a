//! `external_account`: a workload that another identity provider vouches for,
//! as in a job of GitHub Actions. Google's Security Token Service takes the
//! provider's token for one of its own.

use serde_json::json;
use transport::is_loopback;

use super::executable::Context;
use super::fields::Fields;
use super::identity::Identity;
use super::impersonated::Target;
use super::secret::{Secret, Token};
use super::subject::Subject;
use super::{CredentialsError, SCOPE, exchange};

const TOKEN_URL: &str = "https://sts.googleapis.com/v1/token";

#[derive(Debug)]
pub(super) struct ExternalAccount {
    from: String,
    audience: String,
    token_url: String,
    subject_token_type: String,
    subject: Subject,
    client: Option<Secret>,
    /// The project that pays for a person of a workforce pool.
    user_project: Option<String>,
    target: Option<Target>,
}

impl ExternalAccount {
    pub(super) fn read(fields: &Fields) -> Result<Self, CredentialsError> {
        let target = Target::read(fields)?;
        let audience = fields.text("audience")?;
        let subject_token_type = fields.text("subject_token_type")?;
        let context = Context {
            audience: audience.clone(),
            token_type: subject_token_type.clone(),
            email: target.as_ref().map(|target| target.email.clone()),
        };
        let client = fields.optional("client_id").map(|id| {
            let secret = fields.optional("client_secret").unwrap_or_default();
            exchange::basic(&id, &Secret(secret))
        });
        Ok(Self {
            from: fields.from(),
            token_url: fields.url("token_url")?.unwrap_or_else(|| TOKEN_URL.into()),
            subject: Subject::read(fields, context)?,
            // A client has a project of its own.
            user_project: fields
                .optional("workforce_pool_user_project")
                .filter(|_| client.is_none()),
            audience,
            subject_token_type,
            client,
            target,
        })
    }

    fn exchange(&self) -> Result<Token, CredentialsError> {
        let subject = self.subject.token().map_err(|source| CredentialsError::Subject {
            from: self.from.clone(),
            source: Box::new(source),
        })?;
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", self.audience.as_str()),
            ("scope", SCOPE),
            ("subject_token_type", &self.subject_token_type),
            ("subject_token", &subject.0),
        ];
        let options = self.user_project.as_ref().map(|id| json!({"userProject": id}).to_string());
        if let Some(options) = &options {
            form.push(("options", options));
        }
        let headers = self.client.iter().map(|client| ("authorization", client.0.clone()));
        let headers: Vec<_> = headers.collect();
        exchange::oauth(&self.token_url, &form, &headers).map_err(|error| {
            let hint = "look whether the pool's provider accepts this token: its issuer, allowed \
                        audiences and attribute condition"
                .into();
            CredentialsError::no_token(&self.from, error, hint)
        })
    }
}

impl Identity for ExternalAccount {
    fn kind(&self) -> &'static str {
        "external_account"
    }

    /// Whom Google takes the subject for is in the pool's attribute mapping.
    fn principal(&self) -> Option<String> {
        self.target.as_ref().map(|target| target.email.clone())
    }

    fn via(&self) -> Option<String> {
        Some(self.audience.clone())
    }

    fn is_local(&self) -> bool {
        is_loopback(&self.token_url) && self.target.as_ref().is_none_or(Target::is_local)
    }

    fn fetch(&self) -> Result<Token, CredentialsError> {
        let token = self.exchange()?;
        let role = "roles/iam.workloadIdentityUser";
        match &self.target {
            Some(target) => target.exchange(&self.from, role, &token),
            None => Ok(token),
        }
    }
}
