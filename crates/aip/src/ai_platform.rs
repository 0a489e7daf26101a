//! A model of AI Platform Prediction.

use gcp::{Service, ml};

#[derive(Debug)]
pub struct Place {
    pub service: Service,
    pub project: String,
    pub region: Option<String>,
    /// Empty where a verb is about none.
    pub model: String,
}

impl Place {
    /// `projects/P`.
    pub fn project_name(&self) -> String {
        format!("projects/{}", self.project)
    }

    /// `projects/P/models/M`.
    pub fn model_name(&self) -> String {
        ml::model_name(&self.project, &self.model)
    }

    /// `projects/P/models/M/versions/V`.
    pub fn version_name(&self, version: &str) -> String {
        ml::version_name(&self.project, &self.model, version)
    }
}
