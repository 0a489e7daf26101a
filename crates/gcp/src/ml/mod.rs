//! AI Platform Prediction, v1 (ml.googleapis.com).
//!
//! Protocol: the discovery document ml.v1.

mod predict;

use serde_json::{Value, json};

use crate::api::Request;

pub use predict::{REQUEST_LIMIT, predict};

/// `projects/P/models/M`.
pub fn model_name(project: &str, model: &str) -> String {
    format!("projects/{project}/models/{model}")
}

/// `projects/P/models/M/versions/V`.
pub fn version_name(project: &str, model: &str, version: &str) -> String {
    format!("projects/{project}/models/{model}/versions/{version}")
}

/// Answered with the model at once.
pub fn create_model(project: &str, model: &Value) -> Request {
    Request::new("POST", format!("/v1/projects/{project}/models")).json(model)
}

/// Answered with an operation.
pub fn create_version(model: &str, version: &Value) -> Request {
    Request::new("POST", format!("/v1/{model}/versions")).json(version)
}

/// Answered with the version at once.
pub fn set_default(version: &str) -> Request {
    Request::new("POST", format!("/v1/{version}:setDefault")).json(&json!({}))
}
