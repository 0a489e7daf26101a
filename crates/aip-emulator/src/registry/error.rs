//! Errors in the distribution specification's form.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::digest::Digest;

/// An answer that says no.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Value,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: Value::Null }
    }

    fn about(mut self, detail: impl Into<Value>) -> Self {
        self.detail = detail.into();
        self
    }

    pub(super) fn no_repository(name: &str) -> Self {
        let message = format!("Repository \"{name}\" not found");
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message).about(json!({ "name": name }))
    }

    pub(super) fn bad_name(name: &str) -> Self {
        let message = format!("invalid repository name \"{name}\"");
        Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message)
    }

    pub(super) fn bad_tag(tag: &str) -> Self {
        let message = format!("invalid tag or digest \"{tag}\"");
        Self::new(StatusCode::BAD_REQUEST, "TAG_INVALID", message)
    }

    pub(super) fn no_blob(digest: &Digest) -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry")
            .about(digest.to_string())
    }

    pub(super) fn no_upload() -> Self {
        let message = "blob upload unknown to registry";
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
    }

    pub(super) fn bad_upload(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message)
    }

    pub(super) fn bad_range() -> Self {
        let message = "the range is not satisfiable";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message)
    }

    pub(super) fn bad_digest(text: &str) -> Self {
        let message = "provided digest is no sha256 digest";
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message).about(text)
    }

    pub(super) fn other_digest(got: &Digest, wanted: &Digest) -> Self {
        let message = "provided digest did not match uploaded content";
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
            .about(json!({ "digest": wanted.to_string(), "actual": got.to_string() }))
    }

    pub(super) fn no_manifest(wanted: &str) -> Self {
        let message = format!("Failed to fetch \"{wanted}\"");
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message)
    }

    pub(super) fn bad_manifest(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
    }

    /// The manifest names what is not in its repository.
    pub(super) fn missing_reference(digest: &Digest) -> Self {
        let message = "manifest references a manifest or blob unknown to registry";
        Self::new(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", message)
            .about(digest.to_string())
    }

    pub(super) fn too_large() -> Self {
        let message = "the manifest is too large";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message)
    }

    pub(super) fn unsupported(message: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message = "Unauthenticated request. Unauthenticated requests do not have permission.";
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "page not found")
    }
}

/// The answer to a request that fails on demand.
pub(crate) fn refusal(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = match status.as_u16() {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        429 => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    };
    Refusal::new(status, code, message).into_response()
}

impl From<std::io::Error> for Refusal {
    fn from(err: std::io::Error) -> Self {
        let message = format!("The emulator's disk failed: {err}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.detail.is_null() {
            error["detail"] = self.detail;
        }
        (self.status, Json(json!({ "errors": [error] }))).into_response()
    }
}
