//! Google's JSON error envelope.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An answer that says no.
///
/// The two generations of Google's APIs word it differently: newer ones give
/// a `status` and typed `details`, Cloud Storage a list of `errors` with a
/// `reason`. Clients look for what they know.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: u16,
    message: String,
    status: Option<&'static str>,
    violations: Vec<Value>,
    errors: Vec<Value>,
}

impl ApiError {
    /// In the form of AI Platform and Vertex AI.
    pub fn new(code: u16, status: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, status: Some(status), violations: Vec::new(), errors: Vec::new() }
    }

    /// Adds what is wrong with one field (`google.rpc.BadRequest`).
    #[must_use]
    pub fn with_field(mut self, field: &str, description: impl Into<String>) -> Self {
        self.violations.push(json!({ "field": field, "description": description.into() }));
        self
    }

    /// In the form of Cloud Storage.
    pub fn storage(code: u16, reason: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let error = json!({ "message": message, "domain": "global", "reason": reason });
        Self { code, message, status: None, violations: Vec::new(), errors: vec![error] }
    }

    /// Says where in the request the trouble is (Cloud Storage).
    #[must_use]
    pub fn at(mut self, location_type: &str, location: &str) -> Self {
        for error in &mut self.errors {
            error["locationType"] = location_type.into();
            error["location"] = location.into();
        }
        self
    }

    /// Adds the canonical status to an error in the form of Cloud Storage.
    #[must_use]
    pub fn with_status(mut self, status: &'static str) -> Self {
        self.status = Some(status);
        self
    }

    pub fn code(&self) -> u16 {
        self.code
    }

    /// The canonical name of the code, where the service gives one.
    pub fn status(&self) -> Option<&'static str> {
        self.status
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// The body that goes over the wire.
    pub fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(status) = self.status {
            error["status"] = status.into();
        }
        if !self.errors.is_empty() {
            error["errors"] = self.errors.clone().into();
        }
        if !self.violations.is_empty() {
            error["details"] = json!([{
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": self.violations,
            }]);
        }
        json!({ "error": error })
    }
}

impl From<std::io::Error> for ApiError {
    fn from(err: std::io::Error) -> Self {
        Self::storage(500, "backendError", format!("The emulator's disk failed: {err}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status == StatusCode::NOT_MODIFIED {
            return status.into_response();
        }
        (status, Json(self.body())).into_response()
    }
}
