//! Who may push and pull, if asked to ask: whoever has a Google access token,
//! or a token that was given for one here.

use axum::extract::{FromRequest as _, Request};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::Registry;
use super::error::Refusal;
use super::router::set;
use super::target::Target;

/// The user names under which Artifact Registry takes a password.
const USERS: &[&str] = &["oauth2accesstoken", "_dcgcloud_token", "_json_key", "_json_key_base64"];

const LIFETIME: u64 = 3600;

/// Any bearer token will do, as everywhere in the emulator: what matters is
/// that the client sends one.
pub(super) fn is_known(headers: &HeaderMap) -> bool {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((kind, secret)) = value.and_then(|value| value.split_once(' ')) else { return false };
    match kind.to_ascii_lowercase().as_str() {
        "bearer" => !secret.trim().is_empty(),
        "basic" => has_password(secret.trim()),
        _ => false,
    }
}

fn has_password(basic: &str) -> bool {
    let decoded = STANDARD.decode(basic).ok().and_then(|text| String::from_utf8(text).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    pair.is_some_and(|(user, password)| is_user(user, password))
}

fn is_user(user: &str, password: &str) -> bool {
    USERS.contains(&user) && !password.is_empty()
}

/// 401, and where to get a token for what was tried.
pub(super) fn challenge(registry: &Registry, target: &Target, method: &Method) -> Response {
    let host = registry.0.host.get().map(String::as_str).unwrap_or_default();
    let mut value = format!("Bearer realm=\"http://{host}/v2/token\",service=\"{host}\"");
    if let Some(name) = target.name() {
        let actions =
            if method == Method::GET || method == Method::HEAD { "pull" } else { "push,pull" };
        value = format!("{value},scope=\"repository:{name}:{actions}\"");
    }
    let mut answer = Refusal::unauthorized().into_response();
    set(answer.headers_mut(), WWW_AUTHENTICATE.as_str(), &value);
    answer
}

/// What a POST brings; a GET has its credentials in a header.
#[derive(Deserialize)]
struct Grant {
    #[serde(rename = "grant_type")]
    kind: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    refresh_token: String,
}

/// The token service (`/v2/token`), by GET with Basic or by POST with a form.
pub(super) async fn token(request: Request) -> Result<Response, Refusal> {
    let is_admitted = match *request.method() {
        Method::GET => is_known(request.headers()),
        Method::POST => {
            let grant = Form::<Grant>::from_request(request, &()).await;
            grant.is_ok_and(|Form(grant)| match grant.kind.as_str() {
                "password" => is_user(&grant.username, &grant.password),
                "refresh_token" => !grant.refresh_token.is_empty(),
                _ => false,
            })
        }
        _ => return Err(Refusal::unsupported("The operation is unsupported.")),
    };
    if !is_admitted {
        return Err(Refusal::unauthorized());
    }
    let now = std::time::SystemTime::now();
    let serial = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let token = format!("registry-{serial:x}");
    Ok(Json(json!({
        "token": token,
        "access_token": token,
        "expires_in": LIFETIME,
        "issued_at": humantime::format_rfc3339_seconds(now).to_string(),
    }))
    .into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(value: &str) -> bool {
        is_known(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]))
    }

    #[test]
    fn credentials() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        assert!(known("Bearer x") && known("bearer x") && known(&basic("oauth2accesstoken:x")));
        assert!(known(&basic("_json_key:{\"a\": \"b:c\"}")));
        for bad in ["Bearer ", "Bearer", "Basic x", "Digest x"] {
            assert!(!known(bad), "{bad}");
        }
        assert!(!known(&basic("oauth2accesstoken:")) && !known(&basic("someone:x")));
        assert!(!is_known(&HeaderMap::new()));
    }
}
