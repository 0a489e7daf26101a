//! Refusals that every one of these APIs words alike.

use crate::error::ApiError;

/// The request is not one that the API has.
pub(crate) fn malformed(text: &str) -> ApiError {
    ApiError::new(400, "INVALID_ARGUMENT", text)
}

/// What the service has and the emulator has not.
pub(crate) fn unimplemented(what: &str) -> ApiError {
    ApiError::new(501, "UNIMPLEMENTED", format!("The emulator does not have {what}."))
}
