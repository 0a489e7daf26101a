//! Acting as a service account that lets one: `impersonated_service_account`,
//! and the last step of an external account.

use serde_json::{Value, json};
use transport::is_loopback;

use super::fields::Fields;
use super::identity::Identity;
use super::secret::Token;
use super::{CredentialsError, SCOPE, exchange, file};

/// Longer than an hour only where the organisation allows it.
const LIFETIME: u64 = 3600;

/// IAM's `generateAccessToken` for one account.
#[derive(Debug)]
pub(super) struct Target {
    url: String,
    pub(super) email: String,
    delegates: Vec<String>,
    lifetime: u64,
}

impl Target {
    /// The account is named in the address only.
    pub(super) fn read(fields: &Fields) -> Result<Option<Self>, CredentialsError> {
        const URL: &str = "service_account_impersonation_url";
        let Some(url) = fields.url(URL)? else { return Ok(None) };
        let email = url.rsplit_once('/').and_then(|(_, name)| name.split_once(':'));
        let email =
            email.filter(|(email, verb)| !email.is_empty() && *verb == "generateAccessToken");
        let email = email.ok_or_else(|| fields.lacks(URL))?.0.to_owned();
        let delegates = fields.value["delegates"].as_array().into_iter().flatten();
        let delegates = delegates.filter_map(Value::as_str).map(str::to_owned).collect();
        let options = &fields.value["service_account_impersonation"];
        let lifetime = options["token_lifetime_seconds"].as_u64().unwrap_or(LIFETIME);
        Ok(Some(Self { url, email, delegates, lifetime }))
    }

    pub(super) fn is_local(&self) -> bool {
        is_loopback(&self.url)
    }

    pub(super) fn exchange(
        &self,
        from: &str,
        role: &str,
        bearer: &Token,
    ) -> Result<Token, CredentialsError> {
        let mut body = json!({"scope": [SCOPE], "lifetime": format!("{}s", self.lifetime)});
        if !self.delegates.is_empty() {
            body["delegates"] = json!(self.delegates);
        }
        exchange::iam(&self.url, &body, bearer).map_err(|error| {
            let hint = format!("acting as '{}' needs {role} on that account", self.email);
            CredentialsError::no_token(from, error, hint)
        })
    }
}

#[derive(Debug)]
pub(super) struct Impersonated {
    from: String,
    target: Target,
    source: Box<dyn Identity>,
}

impl Impersonated {
    pub(super) fn read(fields: &Fields) -> Result<Self, CredentialsError> {
        let target = Target::read(fields)?;
        let source = &fields.value["source_credentials"];
        let Some(kind) = source["type"].as_str() else {
            return Err(fields.lacks("source_credentials"));
        };
        Ok(Self {
            from: fields.from(),
            target: target.ok_or_else(|| fields.lacks("service_account_impersonation_url"))?,
            source: file::identity(&Fields { kind, value: source, ..*fields })?,
        })
    }
}

impl Identity for Impersonated {
    fn kind(&self) -> &'static str {
        "impersonated_service_account"
    }

    fn principal(&self) -> Option<String> {
        Some(self.target.email.clone())
    }

    fn via(&self) -> Option<String> {
        self.source.principal().or_else(|| Some(self.source.kind().into()))
    }

    fn is_local(&self) -> bool {
        self.target.is_local() && self.source.is_local()
    }

    fn fetch(&self) -> Result<Token, CredentialsError> {
        let role = "roles/iam.serviceAccountTokenCreator";
        self.target.exchange(&self.from, role, &self.source.fetch()?)
    }
}
