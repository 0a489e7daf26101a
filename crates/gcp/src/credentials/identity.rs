//! What all kinds of credentials have in common.

use std::fmt;

use super::CredentialsError;
use super::secret::Token;

/// Somebody who can be asked for access tokens.
pub(super) trait Identity: fmt::Debug + Send + Sync {
    /// As credentials files name their type.
    fn kind(&self) -> &'static str;

    /// Whom the tokens speak for, where that can be known.
    fn principal(&self) -> Option<String> {
        None
    }

    /// Who asks for that principal's tokens, where it is not itself.
    fn via(&self) -> Option<String> {
        None
    }

    /// Whether all that issues and sees the tokens is on this machine.
    fn is_local(&self) -> bool;

    fn fetch(&self) -> Result<Token, CredentialsError>;

    /// Whether a token that was refused may be followed by a better one.
    fn renews(&self) -> bool {
        true
    }
}
