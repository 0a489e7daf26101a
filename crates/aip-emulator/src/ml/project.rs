//! projects.getConfig

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The identity under which the service read a project's buckets.
pub(super) fn get_config(project: &str) -> Response {
    let number = number(project);
    let account = format!("service-{number}@cloud-ml.google.com.iam.gserviceaccount.com");
    Json(json!({ "serviceAccount": account, "serviceAccountProject": number })).into_response()
}

/// A number that stays the same for a project, of the length that Google's have.
fn number(project: &str) -> String {
    let hash = Sha256::digest(project);
    let start = hash.iter().take(6).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{}", 100_000_000_000 + start % 900_000_000_000)
}
