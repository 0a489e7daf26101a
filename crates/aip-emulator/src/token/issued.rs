//! The tokens that were given out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use serde_json::{Value, json};

/// How Google's own begin, and after it ours.
const PREFIX: &str = "ya29.emulator-";

/// What most tokens live, in seconds.
pub(super) const LIFETIME: u64 = 3599;

#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Issued>>);

struct Issued {
    principal: String,
    expires: SystemTime,
}

impl Tokens {
    pub(super) fn issue(&self, principal: &str, seconds: u64) -> String {
        let now = SystemTime::now();
        let nanos = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|_, token| token.expires > now);
        let token = format!("{PREFIX}{nanos:x}-{:x}", issued.len());
        let expires = now + Duration::from_secs(seconds);
        issued.insert(token.clone(), Issued { principal: principal.to_owned(), expires });
        token
    }

    /// The answer of an OAuth 2 endpoint.
    pub(super) fn answer(&self, principal: &str) -> Value {
        json!({
            "access_token": self.issue(principal, LIFETIME),
            "expires_in": LIFETIME,
            "token_type": "Bearer",
        })
    }

    /// Whom a token of ours speaks for, while it lives.
    pub(super) fn principal(&self, token: &str) -> Option<String> {
        let issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = issued.get(token).filter(|token| token.expires > SystemTime::now())?;
        Some(token.principal.clone())
    }

    /// A token of ours has to be alive; others were got elsewhere, and there is
    /// no way to tell.
    pub(crate) fn admit(&self, token: &str) -> bool {
        !token.is_empty() && (!token.starts_with(PREFIX) || self.principal(token).is_some())
    }
}

/// The token in a request's `Authorization: Bearer …`
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (kind, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    kind.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_have_to_be_alive() {
        let tokens = Tokens::default();
        let (first, second) = (tokens.issue("a@b", 60), tokens.issue("c@d", 60));
        assert_ne!(first, second);
        assert_eq!(tokens.principal(&second).as_deref(), Some("c@d"));
        let expired = tokens.issue("a@b", 0);
        for (token, admitted) in [
            (first.as_str(), true),
            ("sesame", true),
            (&expired, false),
            ("ya29.emulator-of-yesterday", false),
            ("", false),
        ] {
            assert_eq!(tokens.admit(token), admitted, "{token}");
        }
    }
}
