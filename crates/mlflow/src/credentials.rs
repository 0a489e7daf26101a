//! Who asks: what MLflow's own client takes from its environment.

use std::fmt::{self, Debug};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;

/// Text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A value of the header `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials(Secret);

impl Credentials {
    pub fn basic(user: &str, password: &str) -> Self {
        Self(Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
    }

    pub fn token(token: &str) -> Result<Self, Error> {
        let token = token.trim();
        // Checked here, because the HTTP library would show the value.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::usage(
                "the MLflow token holds characters that no token has",
                "set MLFLOW_TRACKING_TOKEN to the token alone, on one line",
            ));
        }
        Ok(Self(Secret::new(format!("Bearer {token}"))))
    }

    /// As MLflow's client decides: user and password before the token.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let user = env("MLFLOW_TRACKING_USERNAME");
        let password = env("MLFLOW_TRACKING_PASSWORD");
        if let (Some(user), Some(password)) = (user, password) {
            return Ok(Some(Self::basic(&user, &password)));
        }
        env("MLFLOW_TRACKING_TOKEN").map(|token| Self::token(&token)).transpose()
    }

    pub(crate) fn header(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(env: &[(&str, &str)]) -> Option<String> {
        let find = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).into());
        Credentials::from_env(find).unwrap().map(|found| found.header().to_owned())
    }

    #[test]
    fn a_whole_login_comes_before_a_token() {
        let user = ("MLFLOW_TRACKING_USERNAME", "ana");
        let password = ("MLFLOW_TRACKING_PASSWORD", "é:b");
        let token = ("MLFLOW_TRACKING_TOKEN", "abc\n");
        assert_eq!(from(&[user, password, token]).unwrap(), "Basic YW5hOsOpOmI=");
        assert_eq!(from(&[user, token]).unwrap(), "Bearer abc");
        assert_eq!(from(&[user]), None);
    }

    #[test]
    fn a_token_that_would_break_the_header_is_refused_unseen() {
        let error = Credentials::token("abc\r\nX: y").unwrap_err();
        assert!(!error.to_string().contains("abc"));
        assert_eq!(format!("{:?}", Credentials::token("abc").unwrap()), "Credentials([secret])");
    }
}
