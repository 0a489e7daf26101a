//! The document itself.

use serde::{Deserialize, Serialize};

use crate::{Extra, Spec, Stages};

/// The version of the document's shape. Within a version, fields are only added.
pub const API_VERSION: &str = "mlflow-aip/v1";

pub const KIND: &str = "Deployment";

/// One deployment: what is wanted, and what has been done so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Always `mlflow-aip/v1`.
    pub api_version: String,
    /// Always `Deployment`.
    pub kind: String,
    #[serde(default)]
    pub spec: Spec,
    #[serde(default)]
    pub stages: Stages,
    /// What a person should know, by stage. Programs decide on exit codes.
    #[serde(default)]
    pub results: Vec<Report>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A remark of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// The stage that says it: `fetch`, `bundle`, `upload`, `model`, `version`.
    pub stage: String,
    pub severity: Severity,
    pub message: String,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    /// A severity that a later build within this version added.
    #[serde(untagged)]
    Other(String),
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            api_version: API_VERSION.into(),
            kind: KIND.into(),
            spec: Spec::default(),
            stages: Stages::default(),
            results: Vec::new(),
            extra: Extra::new(),
        }
    }
}

impl Deployment {
    /// Takes back what an earlier run of this stage had to say.
    pub fn forget_results(&mut self, stage: &str) {
        self.results.retain(|report| report.stage != stage);
    }
}
