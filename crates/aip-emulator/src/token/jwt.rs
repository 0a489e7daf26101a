//! Signed tokens that are taken for others. The signatures are not checked: the
//! emulator knows no keys.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::REVOKED;
use super::refusal::Refusal;

/// How far the clocks of client and service may differ
const SKEW: u64 = 300;
const DAY: u64 = 24 * 3600;

/// Some clients pad what RFC 7515 wants unpadded.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Deserialize)]
struct Assertion {
    iss: String,
    aud: String,
    #[serde(default)]
    scope: String,
    iat: u64,
    exp: u64,
}

/// A service account's own (RFC 7523): whose.
pub(super) fn assertion(token: &str) -> Result<String, Refusal> {
    let invalid = |what: &str| Refusal::grant(format!("Invalid JWT: {what}"));
    let (header, claims) = parts::<Assertion>(token).map_err(invalid)?;
    if header["alg"] != "RS256" {
        return Err(invalid("Token must be signed with RS256."));
    }
    let now = now().as_secs();
    if claims.iss.is_empty() || claims.aud.is_empty() || claims.scope.is_empty() {
        return Err(Refusal::grant("Invalid OAuth scope, issuer or audience provided."));
    }
    if claims.exp < now || claims.iat > now + SKEW || claims.exp > claims.iat + 3600 + SKEW {
        return Err(invalid(
            "Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check \
             your iat and exp values in the JWT claim.",
        ));
    }
    if claims.iss.starts_with(REVOKED) {
        return Err(Refusal::grant("Invalid JWT Signature."));
    }
    Ok(claims.iss)
}

#[derive(Deserialize)]
struct Identity {
    iss: String,
    sub: String,
    aud: Value,
    iat: u64,
    exp: u64,
}

/// An identity provider's, for the Security Token Service: of whom it speaks.
pub(super) fn subject(token: &str) -> Result<String, Refusal> {
    let invalid = |what: &str| Refusal::grant(format!("Invalid subject token: {what}"));
    let (header, claims) = parts::<Identity>(token).map_err(invalid)?;
    if header["alg"] != "RS256" && header["alg"] != "ES256" {
        return Err(invalid("it must be signed with RS256 or ES256."));
    }
    if !header["kid"].is_string() {
        return Err(invalid("its header has no kid."));
    }
    if !claims.iss.starts_with("https://") || claims.sub.is_empty() || claims.aud.is_null() {
        return Err(invalid("iss must be an https URL; sub and aud are required."));
    }
    let now = now().as_secs();
    if claims.exp < now || claims.iat > now + SKEW || claims.exp > claims.iat + DAY {
        return Err(Refusal::grant(format!(
            "ID Token issued at {} is stale to sign-in.",
            claims.iat
        )));
    }
    if claims.sub.starts_with(REVOKED) {
        let message = "The given credential is rejected by the attribute condition.";
        return Err(Refusal::condition(message));
    }
    Ok(claims.sub)
}

fn parts<T: DeserializeOwned>(token: &str) -> Result<(Value, T), &'static str> {
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err("Token must have three parts.");
    };
    let decode = |part: &str| BASE64URL.decode(part).map_err(|_| "Token is not in base64url.");
    let header =
        serde_json::from_slice(&decode(header)?).map_err(|_| "Failed to parse the header.")?;
    if decode(signature)?.is_empty() {
        return Err("Token must be signed.");
    }
    let claims =
        serde_json::from_slice(&decode(claims)?).map_err(|_| "Failed to parse the claims.")?;
    Ok((header, claims))
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    fn jwt(engine: &GeneralPurpose, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| engine.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(claims), engine.encode("sig"))
    }

    #[test]
    fn assertions() {
        let now = now().as_secs();
        for engine in [&URL_SAFE, &URL_SAFE_NO_PAD] {
            let jwt = |alg: &str, issuer: &str, issued: u64, lifetime: u64| {
                let claims = json!({
                    "iss": issuer, "aud": "http://127.0.0.1/token", "scope": "s", "iat": issued,
                    "exp": issued + lifetime,
                });
                jwt(engine, &json!({"alg": alg}), &claims)
            };
            assert_eq!(assertion(&jwt("RS256", "a@b", now, 3600)).as_deref(), Ok("a@b"));
            assert!(assertion(&jwt("none", "a@b", now, 3600)).is_err());
            assert!(assertion(&jwt("RS256", "a@b", now - 7200, 3600)).is_err());
            assert!(assertion(&jwt("RS256", "a@b", now, 86_400)).is_err());
            assert!(assertion(&jwt("RS256", "revoked@b", now, 3600)).is_err());
        }
        assert!(assertion("a.b").is_err());
        assert!(assertion("$.$.$").is_err());
    }

    #[test]
    fn subjects() {
        let now = now().as_secs();
        let check = |header: Value, change: &dyn Fn(&mut Value)| {
            let mut claims = json!({
                "iss": "https://token.actions.githubusercontent.com", "sub": "repo:a/b",
                "aud": "x", "iat": now, "exp": now + 300,
            });
            change(&mut claims);
            subject(&jwt(&URL_SAFE_NO_PAD, &header, &claims))
        };
        let header = || json!({"alg": "RS256", "kid": "1"});
        assert_eq!(check(header(), &|_| {}).as_deref(), Ok("repo:a/b"));
        assert!(check(json!({"alg": "RS256"}), &|_| {}).is_err());
        assert!(check(json!({"alg": "HS256", "kid": "1"}), &|_| {}).is_err());
        assert!(check(header(), &|claims| claims["exp"] = json!(now - 1)).is_err());
        assert!(check(header(), &|claims| claims["exp"] = json!(now + 2 * DAY)).is_err());
        assert!(check(header(), &|claims| claims["iss"] = json!("github")).is_err());
        assert!(check(header(), &|claims| claims["sub"] = json!("revoked")).is_err());
        assert!(subject("sesame").is_err());
    }
}
