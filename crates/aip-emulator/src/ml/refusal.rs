//! The ways in which the service said no.

use serde_json::{Map, Value};

use crate::api::labels;
pub(super) use crate::api::refusal::{malformed, unimplemented};
use crate::error::ApiError;

/// One field is wrong, in the form that the service gave its own checks.
pub(super) fn field(code: u16, status: &'static str, field: &str, text: &str) -> ApiError {
    ApiError::new(code, status, format!("Field: {field} Error: {text}")).with_field(field, text)
}

pub(super) fn invalid(name: &str, text: &str) -> ApiError {
    field(400, "INVALID_ARGUMENT", name, text)
}

/// The request is well-formed, but not in this state or combination.
pub(super) fn precondition(name: &str, text: &str) -> ApiError {
    field(400, "FAILED_PRECONDITION", name, text)
}

pub(super) fn exists(what: &str) -> ApiError {
    let text = format!("A {what} with the same name already exists.");
    field(409, "ALREADY_EXISTS", &format!("{what}.name"), &text)
}

pub(super) fn no_model(name: &str) -> ApiError {
    let text = format!(
        "The model resource: \"{name}\" was not found. Please create the Cloud ML model resource \
         first by using 'gcloud ai-platform models create {name}'."
    );
    field(404, "NOT_FOUND", "name", &text)
}

pub(super) fn no_version(name: &str) -> ApiError {
    let text = format!("The specified model version '{name}' was not found.");
    field(404, "NOT_FOUND", "name", &text)
}

pub(super) fn no_operation(name: &str) -> ApiError {
    field(404, "NOT_FOUND", "name", &format!("The specified operation '{name}' was not found."))
}

pub(super) fn quota(text: &str) -> ApiError {
    ApiError::new(429, "RESOURCE_EXHAUSTED", text)
}

/// Refuses labels that Google Cloud refuses.
pub(super) fn check_labels(resource: &str, spec: &Map<String, Value>) -> Result<(), ApiError> {
    match labels::problem(spec) {
        Some(problem) => Err(invalid(&format!("{resource}.labels"), &problem)),
        None => Ok(()),
    }
}
