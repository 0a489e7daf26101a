//! A model at a service.

use gcp::{Request, Service, ml};
use serde_json::json;
use stage::{Output, Process};

#[derive(Debug)]
pub struct Place {
    pub service: Service,
    pub project: String,
    pub region: Option<String>,
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

    /// What a verb that answers with JSON says in a dry run.
    pub fn dry(&self, process: &Process, request: &Request) -> Output {
        let shown = self.service.api().describe(request);
        process.would(&shown);
        Output::Json(json!({"dryRun": true, "requests": [shown]}))
    }
}
