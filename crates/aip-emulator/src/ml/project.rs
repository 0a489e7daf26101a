//! projects.getConfig

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::api::project::number;

/// The identity under which the service read a project's buckets.
pub(super) fn get_config(project: &str) -> Response {
    let number = number(project);
    let account = format!("service-{number}@cloud-ml.google.com.iam.gserviceaccount.com");
    Json(json!({ "serviceAccount": account, "serviceAccountProject": number })).into_response()
}
