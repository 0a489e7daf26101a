//! IAM Credentials: `projects.serviceAccounts.generateAccessToken`.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::REVOKED;
use super::issued::bearer;
use crate::auth;
use crate::error::ApiError;
use crate::state::App;

/// Longer only where the organisation allows it.
const MAX_LIFETIME: u64 = 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    scope: Vec<String>,
    delegates: Option<Vec<String>>,
    lifetime: Option<String>,
}

pub(super) async fn generate(
    State(app): State<App>,
    Path((project, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let email = call.strip_suffix(":generateAccessToken");
    let email = email.ok_or_else(|| ApiError::new(404, "NOT_FOUND", "Method not found."))?;
    if app.tokens.principal(bearer(&headers).unwrap_or_default()).is_none() {
        return Err(auth::refusal(bearer(&headers).is_some()));
    }
    if project != "-" {
        return Err(invalid("name", "The project must be given as the wildcard '-'."));
    }
    let request: Request =
        serde_json::from_slice(&body).map_err(|error| invalid("body", &error.to_string()))?;
    if request.scope.is_empty() {
        return Err(invalid("scope", "The scope list must not be empty."));
    }
    let delegates = request.delegates.unwrap_or_default();
    if delegates.iter().any(|name| !name.starts_with("projects/-/serviceAccounts/")) {
        return Err(invalid("delegates", "Delegates are projects/-/serviceAccounts/{ACCOUNT}."));
    }
    let lifetime = lifetime(request.lifetime.as_deref())
        .ok_or_else(|| invalid("lifetime", "The lifetime must be positive and at most 3600s."))?;
    check(email)?;
    let expires = SystemTime::now() + Duration::from_secs(lifetime);
    Ok(Json(json!({
        "accessToken": app.tokens.issue(email, lifetime),
        "expireTime": humantime::format_rfc3339_seconds(expires).to_string(),
    })))
}

fn check(email: &str) -> Result<(), ApiError> {
    if !email.ends_with(".gserviceaccount.com") {
        let message = format!("Not found; Gaia id not found for email {email}");
        return Err(ApiError::new(404, "NOT_FOUND", message));
    }
    if email.starts_with(REVOKED) {
        let message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it \
                       may not exist).";
        return Err(ApiError::new(403, "PERMISSION_DENIED", message));
    }
    Ok(())
}

fn lifetime(text: Option<&str>) -> Option<u64> {
    let Some(text) = text else { return Some(MAX_LIFETIME) };
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    (1..=MAX_LIFETIME).contains(&seconds).then_some(seconds)
}

fn invalid(field: &str, description: &str) -> ApiError {
    let message = "Request contains an invalid argument.";
    ApiError::new(400, "INVALID_ARGUMENT", message).with_field(field, description)
}
