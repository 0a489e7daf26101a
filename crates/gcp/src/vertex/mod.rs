//! Vertex AI, v1 (aiplatform.googleapis.com).
//!
//! Protocol: the discovery document aiplatform.v1. Answers name projects by
//! number, whatever they were asked by: names are compared below the project.

pub mod batch;
mod endpoints;
mod models;
pub mod predict;
pub mod traffic;

pub use endpoints::{create_endpoint, deploy_model, undeploy_model};
pub use models::{delete_version, list_versions, merge_aliases, upload_model, upload_version};

/// `projects/P/locations/L`.
pub fn location_name(project: &str, location: &str) -> String {
    format!("projects/{project}/locations/{location}")
}

/// The part of a resource's name that tells resources of one project apart:
/// `locations/L/models/M@N` of `projects/P/locations/L/models/M@N`.
pub fn below_project(name: &str) -> &str {
    let below = name.strip_prefix("projects/").and_then(|rest| rest.split_once('/'));
    below.map_or(name, |(_, below)| below)
}

/// Whether two names are the same resource's, be its project named by id or by
/// number.
pub fn is_same(one: &str, other: &str) -> bool {
    below_project(one) == below_project(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_an_id_and_a_number() {
        let name = "projects/acme/locations/us-central1/models/iris@3";
        assert!(is_same(name, "projects/591020730428/locations/us-central1/models/iris@3"));
        assert!(!is_same(name, "projects/acme/locations/us-central1/models/iris@30"));
        assert!(!is_same(name, "projects/acme/locations/europe-west1/models/iris@3"));
        assert_eq!(below_project("projects/acme"), "projects/acme");
    }
}
