//! gcloud, where it is installed.

use super::CredentialsError;

/// gcp_auth starts `gcloud` from PATH; without it, there is nothing to try.
pub(super) fn check() -> Result<(), CredentialsError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join("gcloud").is_file());
    if found { Ok(()) } else { Err(CredentialsError::NotFound) }
}
