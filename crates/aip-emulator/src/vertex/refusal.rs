//! The ways in which the service says no.
//!
//! Where a text of the real service is known it stands here word for word;
//! the others say the same in their own words.

use serde_json::{Map, Value};

use crate::api::labels;
use crate::error::ApiError;

pub(super) fn invalid(text: &str) -> ApiError {
    ApiError::new(400, "INVALID_ARGUMENT", text)
}

/// The request is well-formed, but not in this state.
pub(super) fn precondition(text: &str) -> ApiError {
    ApiError::new(400, "FAILED_PRECONDITION", text)
}

pub(super) fn exists(name: &str) -> ApiError {
    ApiError::new(409, "ALREADY_EXISTS", format!("The resource '{name}' already exists."))
}

pub(super) fn no_model(name: &str) -> ApiError {
    not_found("Model", name)
}

pub(super) fn no_endpoint(name: &str) -> ApiError {
    not_found("Endpoint", name)
}

pub(super) fn not_found(kind: &str, name: &str) -> ApiError {
    ApiError::new(404, "NOT_FOUND", format!("{kind} `{name}` not found."))
}

pub(super) fn unavailable(text: &str) -> ApiError {
    ApiError::new(503, "UNAVAILABLE", text)
}

/// Somebody else changed the resource since the client read it.
pub(super) fn stale() -> ApiError {
    ApiError::new(409, "ABORTED", "The resource was changed since its etag was read.")
}

pub(super) fn check_labels(spec: &Map<String, Value>) -> Result<(), ApiError> {
    labels::problem(spec).map_or(Ok(()), |problem| Err(invalid(&problem)))
}
