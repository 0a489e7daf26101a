//! What the service would say with a status.

use axum::response::{IntoResponse as _, Response};

use crate::error::ApiError;
use crate::registry;

pub(super) fn refusal(code: u16, method: &str) -> Response {
    let (status, reason, message) = match code {
        400 => ("INVALID_ARGUMENT", "invalid", "Request contains an invalid argument."),
        401 => ("UNAUTHENTICATED", "authError", "Request had invalid authentication credentials."),
        403 => ("PERMISSION_DENIED", "forbidden", "The caller does not have permission"),
        404 => ("NOT_FOUND", "notFound", "Requested entity was not found."),
        408 => ("DEADLINE_EXCEEDED", "requestTimeout", "Request timeout."),
        409 => ("ALREADY_EXISTS", "conflict", "Requested entity already exists"),
        410 => ("NOT_FOUND", "gone", "The requested entity is gone."),
        412 => ("FAILED_PRECONDITION", "conditionNotMet", "Precondition check failed."),
        429 => ("RESOURCE_EXHAUSTED", "rateLimitExceeded", "Resource has been exhausted."),
        500 => ("INTERNAL", "internalError", "Internal error encountered."),
        504 => ("DEADLINE_EXCEEDED", "gatewayTimeout", "Deadline exceeded."),
        501.. => ("UNAVAILABLE", "backendError", "The service is currently unavailable."),
        _ => ("UNKNOWN", "unknown", "The request failed."),
    };
    if method.starts_with("storage.") {
        ApiError::storage(code, reason, message).into_response()
    } else if method.starts_with("docker.") {
        registry::refusal(code, message)
    } else {
        ApiError::new(code, status, message).into_response()
    }
}
