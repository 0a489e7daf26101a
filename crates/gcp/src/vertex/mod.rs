//! Vertex AI, v1 (aiplatform.googleapis.com).
//!
//! Protocol: the discovery document aiplatform.v1. Answers name projects by
//! number, whatever they were asked by: names are compared below the project.

pub mod batch;
pub mod predict;
pub mod traffic;

/// `projects/P/locations/L`.
pub fn location_name(project: &str, location: &str) -> String {
    format!("projects/{project}/locations/{location}")
}
