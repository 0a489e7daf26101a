//! What must not be seen, and for how long it is of use.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::whoami::Lifetime;

/// A token is not used any more when so little of its life is left. Metadata
/// servers hand out the same token until five minutes before its end, so a
/// longer margin would ask for it again and again.
const MARGIN: Duration = Duration::from_secs(30);

/// A text that shows itself to nobody.
#[derive(Clone)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// An access token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) value: Secret,
    /// Not known of a token that was given.
    pub(super) expires: Option<SystemTime>,
}

impl Token {
    /// Only what can stand in a header is a token.
    pub(super) fn given(text: &str) -> Option<Self> {
        let text = text.trim();
        let good = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        good.then(|| Self { value: Secret(text.to_owned()), expires: None })
    }

    /// As OAuth 2 answers; some services write the seconds as a string.
    pub(super) fn from_oauth(answer: &Value) -> Option<Self> {
        let token = Self::given(answer["access_token"].as_str()?)?;
        let seconds = &answer["expires_in"];
        let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok());
        let expires = seconds.map(|seconds| SystemTime::now() + Duration::from_secs(seconds));
        Some(Self { expires, ..token })
    }

    /// As IAM answers.
    pub(super) fn from_iam(answer: &Value) -> Option<Self> {
        let token = Self::given(answer["accessToken"].as_str()?)?;
        let expires = answer["expireTime"].as_str().map(humantime::parse_rfc3339);
        Some(Self { expires: expires.transpose().ok()?, ..token })
    }

    pub(super) fn lifetime(&self) -> Lifetime {
        let expires = self.expires.map(humantime::format_rfc3339_seconds);
        Lifetime { expires: expires.map(|expires| expires.to_string()) }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.expires.is_none_or(|expires| expires > SystemTime::now() + MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(token: &Token) -> u64 {
        token.expires.unwrap().duration_since(SystemTime::now()).unwrap().as_secs()
    }

    #[test]
    fn answers_are_read_and_do_not_show() {
        for seconds in [json!(3599), json!("3599")] {
            let answer = json!({"access_token": "sesame", "expires_in": seconds});
            let token = Token::from_oauth(&answer).unwrap();
            assert!((3597..3600).contains(&left(&token)) && token.is_fresh());
            assert!(!format!("{token:?}").contains("sesame"));
        }
        let answer = json!({"accessToken": "sesame", "expireTime": "2014-10-02T15:01:23.5Z"});
        assert!(!Token::from_iam(&answer).unwrap().is_fresh());
        for answer in [json!({}), json!({"access_token": ""}), json!({"access_token": "a\nb"})] {
            assert!(Token::from_oauth(&answer).is_none(), "{answer}");
        }
        assert!(Token::from_iam(&json!({"accessToken": "a", "expireTime": "soon"})).is_none());
    }
}
