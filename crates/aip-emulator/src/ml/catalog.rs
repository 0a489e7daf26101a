//! What exists: models, their versions, and operations. Kept in one JSON file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::refusal::{no_model, no_version};
use crate::api::shown::extend;
use crate::error::ApiError;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Catalog {
    pub projects: BTreeMap<String, Project>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Project {
    pub models: BTreeMap<String, Model>,
    pub operations: BTreeMap<String, Operation>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Model {
    /// The fields that the client set, without the name
    pub spec: Map<String, Value>,
    pub default_version: Option<String>,
    pub etag: String,
    pub versions: BTreeMap<String, Version>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Version {
    /// The fields that the client set, without the name
    pub spec: Map<String, Value>,
    pub state: State,
    pub create_time: String,
    pub last_use_time: Option<String>,
    pub error_message: Option<String>,
    pub etag: String,
    /// Where its copies are, below the directory of deployed versions
    pub dir: PathBuf,
    /// The interpreter of its environment, once there is one
    pub runtime: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum State {
    Creating,
    Ready,
    Failed,
    Updating,
    Deleting,
}

impl Catalog {
    pub(super) fn model(&self, project: &str, model: &str) -> Result<&Model, ApiError> {
        let found = self.projects.get(project).and_then(|p| p.models.get(model));
        found.ok_or_else(|| no_model(model))
    }

    pub(super) fn model_mut(&mut self, project: &str, model: &str) -> Result<&mut Model, ApiError> {
        let found = self.projects.get_mut(project).and_then(|p| p.models.get_mut(model));
        found.ok_or_else(|| no_model(model))
    }

    pub(super) fn operations(&mut self, project: &str) -> &mut BTreeMap<String, Operation> {
        &mut self.projects.entry(project.to_owned()).or_default().operations
    }
}

impl Model {
    pub(super) fn version(&self, name: &str) -> Result<&Version, ApiError> {
        self.versions.get(name).ok_or_else(|| no_version(name))
    }

    pub(super) fn version_mut(&mut self, name: &str) -> Result<&mut Version, ApiError> {
        self.versions.get_mut(name).ok_or_else(|| no_version(name))
    }

    pub(super) fn is_default(&self, version: &str) -> bool {
        self.default_version.as_deref() == Some(version)
    }

    /// The resource as the API shows it; `name` is the full one.
    pub(super) fn show(&self, name: &str) -> Value {
        let mut shown = json!({ "name": name });
        extend(&mut shown, &self.spec);
        if let Some((default, version)) =
            self.default_version.as_ref().and_then(|name| self.versions.get_key_value(name))
        {
            shown["defaultVersion"] = version.show(&format!("{name}/versions/{default}"), true);
        }
        shown["etag"] = self.etag.clone().into();
        shown
    }
}

impl Version {
    pub(super) fn show(&self, name: &str, is_default: bool) -> Value {
        let mut shown = json!({ "name": name });
        extend(&mut shown, &self.spec);
        if is_default {
            shown["isDefault"] = true.into();
        }
        shown["createTime"] = self.create_time.clone().into();
        shown["state"] = json!(self.state);
        for (key, value) in
            [("lastUseTime", &self.last_use_time), ("errorMessage", &self.error_message)]
        {
            if let Some(value) = value {
                shown[key] = value.clone().into();
            }
        }
        shown["etag"] = self.etag.clone().into();
        shown
    }
}
