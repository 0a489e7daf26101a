//! A value of the header `Authorization`.

use std::fmt::{self, Debug};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials(Secret);

impl Credentials {
    pub fn basic(user: &str, password: &str) -> Self {
        Self(Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
    }

    /// None where it is more, or less, than a token.
    pub fn token(token: &str) -> Option<Self> {
        let token = token.trim();
        let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        usable.then(|| Self(Secret::new(format!("Bearer {token}"))))
    }

    pub(crate) fn header(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_not_shown() {
        assert_eq!(Credentials::token("abc\r\nX: y"), None);
        assert_eq!(Credentials::token(" \n"), None);
        assert_eq!(format!("{:?}", Credentials::token("abc").unwrap()), "Credentials([secret])");
    }
}
