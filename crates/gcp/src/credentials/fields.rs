//! The fields of a credentials file.

use std::path::Path;

use serde_json::Value;
use transport::may_carry_credentials;

use super::CredentialsError;
use super::secret::Secret;

/// A credentials file, or the part of one that stands for an identity.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) path: &'a Path,
    pub(super) kind: &'a str,
    pub(super) value: &'a Value,
}

impl<'a> Fields<'a> {
    pub(super) fn new(path: &'a Path, value: &'a Value) -> Result<Self, CredentialsError> {
        let kind = value["type"].as_str();
        let kind = kind.ok_or_else(|| CredentialsError::NotCredentials { path: shown(path) })?;
        Ok(Self { path, kind, value })
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        self.value[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    pub(super) fn text(&self, name: &str) -> Result<String, CredentialsError> {
        self.optional(name).ok_or_else(|| self.lacks(name))
    }

    pub(super) fn secret(&self, name: &str) -> Result<Secret, CredentialsError> {
        Ok(Secret(self.text(name)?))
    }

    /// An address that secrets are sent to.
    pub(super) fn url(&self, name: &str) -> Result<Option<String>, CredentialsError> {
        let Some(url) = self.optional(name) else { return Ok(None) };
        if may_carry_credentials(&url) {
            Ok(Some(url))
        } else {
            Err(CredentialsError::ClearText { url: transport::redact(&url) })
        }
    }

    pub(super) fn lacks(&self, name: &str) -> CredentialsError {
        CredentialsError::Incomplete {
            path: shown(self.path),
            kind: self.kind.to_owned(),
            field: name.to_owned(),
        }
    }

    /// How errors name where a token did not come from.
    pub(super) fn from(&self) -> String {
        format!("'{}' ({})", self.path.display(), self.kind)
    }
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
