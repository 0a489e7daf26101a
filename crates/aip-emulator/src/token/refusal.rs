//! How OAuth 2 endpoints say no (RFC 6749, 5.2).

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl Refusal {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description: description.into() }
    }

    pub(super) fn request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::request(format!("Missing required parameter: {parameter}"))
    }

    pub(super) fn grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(super) fn grant_type(description: &str) -> Self {
        Self::new("unsupported_grant_type", description)
    }

    /// The provider's attribute condition did not hold.
    pub(super) fn condition(description: &str) -> Self {
        Self::new("unauthorized_client", description)
    }

    pub(super) fn target(description: &str) -> Self {
        Self::new("invalid_target", description)
    }

    pub(super) fn client(description: &str) -> Self {
        let refusal = Self::new("invalid_client", description);
        Self { status: StatusCode::UNAUTHORIZED, ..refusal }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        (self.status, Json(body)).into_response()
    }
}
