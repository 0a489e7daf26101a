//! What the service would say with a status.

use crate::error::ApiError;

pub(super) fn refusal(code: u16, method: &str) -> ApiError {
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
        ApiError::storage(code, reason, message)
    } else {
        ApiError::new(code, status, message)
    }
}
