//! `https://oauth2.googleapis.com/token`

use axum::extract::State;
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;
use super::{REVOKED, jwt};
use crate::state::App;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Grant {
    #[serde(rename = "grant_type")]
    kind: String,
    assertion: String,
    refresh_token: String,
    client_id: String,
    client_secret: String,
}

pub(super) async fn token(
    State(app): State<App>,
    Form(grant): Form<Grant>,
) -> Result<Json<Value>, Refusal> {
    let principal = match grant.kind.as_str() {
        JWT_BEARER => jwt::assertion(&grant.assertion)?,
        "refresh_token" => {
            client(&grant.client_id, &grant.client_secret)?;
            refresh_token(&grant.refresh_token)?;
            "user".to_owned()
        }
        "" => return Err(Refusal::missing("grant_type")),
        _ => return Err(Refusal::grant_type("Invalid grant_type")),
    };
    Ok(Json(app.tokens.answer(&principal)))
}

pub(super) fn client(id: &str, secret: &str) -> Result<(), Refusal> {
    if id.is_empty() {
        return Err(Refusal::request("Could not determine client ID from request."));
    }
    if secret.is_empty() {
        return Err(Refusal::request("client_secret is missing."));
    }
    if id.starts_with(REVOKED) {
        return Err(Refusal::client("The OAuth client was not found."));
    }
    if secret.starts_with(REVOKED) {
        return Err(Refusal::client("The provided client secret is invalid."));
    }
    Ok(())
}

pub(super) fn refresh_token(token: &str) -> Result<(), Refusal> {
    if token.is_empty() {
        return Err(Refusal::missing("refresh_token"));
    }
    if token.starts_with(REVOKED) {
        return Err(Refusal::grant("Token has been expired or revoked."));
    }
    Ok(())
}
