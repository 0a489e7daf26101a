//! A token that somebody got elsewhere.

use std::path::{Path, PathBuf};

use super::identity::Identity;
use super::secret::Token;
use super::{CredentialsError, env};

pub(super) const KIND: &str = "access_token";

#[derive(Debug)]
pub(super) struct Given {
    /// Read once at least, for it may be a pipe.
    token: Token,
    file: Option<PathBuf>,
}

impl Given {
    pub(super) fn in_file(path: &Path) -> Result<Self, CredentialsError> {
        Ok(Self { token: read(path)?, file: path.is_file().then(|| path.to_owned()) })
    }

    pub(super) fn in_variable(name: &'static str) -> Option<Result<Self, CredentialsError>> {
        let text = env(name)?;
        let token = Token::given(&text);
        let given = token.map(|token| Self { token, file: None });
        Some(given.ok_or_else(|| CredentialsError::NotAToken { path: name.into() }))
    }
}

impl Identity for Given {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// Whoever gives a token decides where it goes.
    fn is_local(&self) -> bool {
        true
    }

    /// Somebody may have written a new one there.
    fn fetch(&self) -> Result<Token, CredentialsError> {
        self.file.as_deref().map_or_else(|| Ok(self.token.clone()), read)
    }

    fn renews(&self) -> bool {
        self.file.is_some()
    }
}

fn read(path: &Path) -> Result<Token, CredentialsError> {
    let text = std::fs::read_to_string(path).map_err(|source| CredentialsError::Unreadable {
        path: path.display().to_string(),
        source,
    })?;
    Token::given(&text)
        .ok_or_else(|| CredentialsError::NotAToken { path: path.display().to_string() })
}
