//! Access tokens, as Google's OAuth 2 endpoint and metadata server give them.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::state::App;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const LIFETIME: u64 = 3599;
/// How far the clocks of client and service may differ
const SKEW: u64 = 300;

/// Some clients pad what RFC 7515 wants unpadded.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn router() -> Router<App> {
    let account = "/computeMetadata/v1/instance/service-accounts/default";
    Router::new()
        .route("/token", post(token))
        .route(&format!("{account}/token"), get(metadata_token))
        .route(&format!("{account}/email"), get(metadata_email))
        .route("/computeMetadata/v1/project/project-id", get(metadata_project))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Grant {
    #[serde(rename = "grant_type")]
    kind: String,
    assertion: String,
    refresh_token: String,
    client_id: String,
    client_secret: String,
}

async fn token(Form(grant): Form<Grant>) -> Response {
    let checked = match grant.kind.as_str() {
        JWT_BEARER => check_assertion(&grant.assertion),
        "refresh_token" => check_refresh(&grant),
        _ => return refusal("unsupported_grant_type", "Invalid grant_type"),
    };
    match checked {
        Ok(()) => Json(issue()).into_response(),
        Err(description) => refusal("invalid_grant", &description),
    }
}

fn refusal(error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn issue() -> Value {
    let serial = now().as_nanos();
    json!({
        "access_token": format!("ya29.emulator-{serial:x}"),
        "expires_in": LIFETIME,
        "token_type": "Bearer",
    })
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    #[serde(default)]
    scope: String,
    iat: u64,
    exp: u64,
}

/// The signature is not checked: the emulator knows no service accounts.
fn check_assertion(assertion: &str) -> Result<(), String> {
    let invalid = |what: &str| format!("Invalid JWT: {what}");
    let parts: Vec<_> = assertion.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err(invalid("Token must have three parts."));
    };
    let decode =
        |part: &str| BASE64URL.decode(part).map_err(|_| invalid("Token is not in base64url."));
    let header: Value = serde_json::from_slice(&decode(header)?)
        .map_err(|_| invalid("Failed to parse the header."))?;
    if header["alg"] != "RS256" {
        return Err(invalid("Token must be signed with RS256."));
    }
    if decode(signature)?.is_empty() {
        return Err(invalid("Token must be signed."));
    }
    let claims: Claims = serde_json::from_slice(&decode(claims)?)
        .map_err(|_| invalid("Failed to parse the claims."))?;
    let now = now().as_secs();
    if claims.iss.is_empty() || claims.aud.is_empty() || claims.scope.is_empty() {
        return Err("Invalid OAuth scope, issuer or audience provided.".to_owned());
    }
    if claims.exp < now || claims.iat > now + SKEW || claims.exp > claims.iat + 3600 + SKEW {
        return Err(invalid(
            "Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check \
             your iat and exp values in the JWT claim.",
        ));
    }
    Ok(())
}

fn check_refresh(grant: &Grant) -> Result<(), String> {
    let fields = [&grant.refresh_token, &grant.client_id, &grant.client_secret];
    if fields.iter().any(|field| field.is_empty()) {
        return Err("Missing required parameter.".to_owned());
    }
    Ok(())
}

async fn metadata_token(headers: HeaderMap) -> Response {
    metadata(&headers, Json(issue()).into_response())
}

async fn metadata_email(headers: HeaderMap) -> Response {
    metadata(&headers, "emulator@emulator.iam.gserviceaccount.com".into_response())
}

async fn metadata_project(headers: HeaderMap) -> Response {
    metadata(&headers, "emulator".into_response())
}

/// The header that proves that neither side was led here by accident.
fn metadata(headers: &HeaderMap, mut answer: Response) -> Response {
    if headers.get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return StatusCode::FORBIDDEN.into_response();
    }
    answer.headers_mut().insert("metadata-flavor", axum::http::HeaderValue::from_static("Google"));
    answer
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

    use super::*;

    fn jwt(engine: &GeneralPurpose, alg: &str, issued: u64, lifetime: u64) -> String {
        let claims = json!({
            "iss": "a@b", "aud": "http://127.0.0.1/token", "scope": "s", "iat": issued,
            "exp": issued + lifetime,
        });
        let part = |value: Value| engine.encode(value.to_string());
        format!("{}.{}.{}", part(json!({"alg": alg})), part(claims), engine.encode("sig"))
    }

    #[test]
    fn assertions() {
        let now = now().as_secs();
        for engine in [&URL_SAFE, &URL_SAFE_NO_PAD] {
            assert_eq!(check_assertion(&jwt(engine, "RS256", now, 3600)), Ok(()));
            assert!(check_assertion(&jwt(engine, "none", now, 3600)).is_err());
            assert!(check_assertion(&jwt(engine, "RS256", now - 7200, 3600)).is_err());
            assert!(check_assertion(&jwt(engine, "RS256", now, 86_400)).is_err());
        }
        assert!(check_assertion("a.b").is_err());
        assert!(check_assertion("$.$.$").is_err());
    }
}
