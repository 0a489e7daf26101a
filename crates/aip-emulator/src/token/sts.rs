//! The Security Token Service: `https://sts.googleapis.com/v1/token` for tokens
//! of other identity providers, `/v1/oauthtoken` for people of a workforce pool.

use axum::extract::{FromRequest as _, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::{Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::{REVOKED, jwt, oauth};
use crate::state::App;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const TYPES: &str = "urn:ietf:params:oauth:token-type:";

/// Clients write a form as RFC 8693 has it, or JSON as the discovery document does.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Exchange {
    #[serde(alias = "grantType")]
    grant_type: String,
    audience: String,
    scope: String,
    #[serde(alias = "requestedTokenType")]
    requested_token_type: String,
    #[serde(alias = "subjectToken")]
    subject_token: String,
    #[serde(alias = "subjectTokenType")]
    subject_token_type: String,
    options: String,
}

pub(super) async fn exchange(
    State(app): State<App>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    let request = if is_json {
        Json::from_request(request, &()).await.ok().map(|Json(request)| request)
    } else {
        Form::from_request(request, &()).await.ok().map(|Form(request)| request)
    };
    let request: Exchange =
        request.ok_or_else(|| Refusal::request("The request cannot be parsed."))?;
    let principal = request.check()?;
    let mut answer = app.tokens.answer(&principal);
    answer["issued_token_type"] = json!(request.requested_token_type);
    Ok(Json(answer))
}

impl Exchange {
    fn check(&self) -> Result<String, Refusal> {
        for (name, value) in [
            ("grant_type", &self.grant_type),
            ("requested_token_type", &self.requested_token_type),
            ("subject_token", &self.subject_token),
            ("subject_token_type", &self.subject_token_type),
            ("audience", &self.audience),
            ("scope", &self.scope),
        ] {
            if value.is_empty() {
                return Err(Refusal::missing(name));
            }
        }
        if self.grant_type != GRANT {
            return Err(Refusal::grant_type("Invalid grant_type"));
        }
        if self.requested_token_type != format!("{TYPES}access_token") {
            return Err(Refusal::request("Invalid requested_token_type"));
        }
        let pool = pool(&self.audience).ok_or_else(|| {
            Refusal::target(
                "The target service indicated by the \"audience\" parameters is invalid. This \
                 might either be because the pool or provider is disabled or deleted or because \
                 it doesn't exist.",
            )
        })?;
        if !self.options.is_empty() && serde_json::from_str::<Value>(&self.options).is_err() {
            return Err(Refusal::request("Invalid value for \"options\"."));
        }
        let subject = match self.subject_token_type.strip_prefix(TYPES) {
            Some("jwt" | "id_token") => jwt::subject(&self.subject_token)?,
            Some("saml2") => "saml".to_owned(),
            _ => return Err(Refusal::request("Invalid subject_token_type")),
        };
        Ok(format!("principal:{pool}/subject/{subject}"))
    }
}

/// `//iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/POOL/providers/P`
/// without the provider; a workforce pool belongs to no project.
fn pool(audience: &str) -> Option<&str> {
    let (pool, provider) = audience.rsplit_once("/providers/")?;
    let name = pool.strip_prefix("//iam.googleapis.com/")?;
    let is_pool = match name.split('/').collect::<Vec<_>>()[..] {
        ["projects", _, "locations", _, "workloadIdentityPools", id]
        | ["locations", _, "workforcePools", id] => !id.is_empty() && !id.starts_with(REVOKED),
        _ => false,
    };
    (is_pool && !provider.is_empty()).then_some(pool)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Refresh {
    grant_type: String,
    refresh_token: String,
}

pub(super) async fn refresh(
    State(app): State<App>,
    headers: HeaderMap,
    Form(grant): Form<Refresh>,
) -> Result<Json<Value>, Refusal> {
    if grant.grant_type != "refresh_token" {
        return Err(Refusal::grant_type("Invalid grant_type"));
    }
    let (id, secret) = basic(&headers).unwrap_or_default();
    oauth::client(&id, &secret)?;
    oauth::refresh_token(&grant.refresh_token)?;
    Ok(Json(app.tokens.answer("user of a workforce pool")))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (kind, pair) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let pair = STANDARD.decode(pair.trim()).ok().filter(|_| kind.eq_ignore_ascii_case("basic"))?;
    let (id, secret) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_name_a_provider_of_a_pool() {
        let workload = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p";
        assert_eq!(pool(&format!("{workload}/providers/github")), Some(workload));
        let workforce = "//iam.googleapis.com/locations/global/workforcePools/p";
        assert_eq!(pool(&format!("{workforce}/providers/azure")), Some(workforce));
        for wrong in [
            workload.to_owned(),
            format!("https:{workload}/providers/github"),
            format!("{workload}/providers/"),
            "//iam.googleapis.com/locations/global/workforcePools/revoked/providers/p".to_owned(),
            "//storage.googleapis.com/projects/p".to_owned(),
        ] {
            assert_eq!(pool(&wrong), None, "{wrong}");
        }
    }
}
