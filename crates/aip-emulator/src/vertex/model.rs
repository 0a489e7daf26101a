//! A model and its versions, as they are kept and shown.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::names::Place;
use super::refusal::no_model;
use crate::api::shown::extend;
use crate::error::ApiError;

/// The alias that exactly one version has.
pub(super) const DEFAULT: &str = "default";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Model {
    pub create_time: String,
    /// By version id; an id never comes back
    pub versions: BTreeMap<u32, Version>,
    pub last_version: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    /// The fields that the client set
    pub spec: Map<String, Value>,
    pub aliases: BTreeSet<String>,
    pub create_time: String,
    pub update_time: String,
    pub etag: String,
    /// The image by its digest, if it was in the registry at the upload
    pub image: Option<String>,
    /// `gs://…` of the service's own copy of the artifacts
    pub artifacts: Option<String>,
}

impl Model {
    /// Resolves a version id or an alias; the default version without one.
    pub(super) fn find(&self, name: &str, wanted: Option<&str>) -> Result<u32, ApiError> {
        let wanted = wanted.unwrap_or(DEFAULT);
        let by_id = wanted.parse().ok().filter(|id| self.versions.contains_key(id));
        let by_alias = || {
            let mut versions = self.versions.iter();
            versions.find(|(_, version)| version.aliases.contains(wanted)).map(|(id, _)| *id)
        };
        by_id.or_else(by_alias).ok_or_else(|| no_model(&format!("{name}@{wanted}")))
    }

    /// Gives an alias to a version, and takes it from any other.
    pub(super) fn assign(&mut self, alias: &str, to: u32) {
        for (id, version) in &mut self.versions {
            if *id == to {
                version.aliases.insert(alias.to_owned());
            } else {
                version.aliases.remove(alias);
            }
        }
    }
}

impl Version {
    pub(super) fn text(&self, field: &str) -> &str {
        self.spec.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn container(&self) -> &Value {
        self.spec.get("containerSpec").unwrap_or(&Value::Null)
    }

    /// The resource as the API shows it. `deployed` are pairs of endpoint and
    /// deployed model.
    pub(super) fn show<'a>(
        &self,
        place: &Place,
        name: &str,
        (id, model): (u32, &Model),
        deployed: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Value {
        let mut shown = json!({ "name": name, "versionId": id.to_string() });
        extend(&mut shown, &self.spec);
        shown["versionAliases"] = json!(self.aliases);
        shown["versionCreateTime"] = self.create_time.clone().into();
        shown["versionUpdateTime"] = self.update_time.clone().into();
        shown["createTime"] = model.create_time.clone().into();
        shown["updateTime"] = self.update_time.clone().into();
        shown["etag"] = self.etag.clone().into();
        shown["modelSourceInfo"] = json!({ "sourceType": "CUSTOM" });
        shown["supportedDeploymentResourcesTypes"] = json!(["DEDICATED_RESOURCES"]);
        shown["supportedInputStorageFormats"] = json!(INPUTS);
        shown["supportedOutputStorageFormats"] = json!(["jsonl", "bigquery"]);
        let deployed: Vec<Value> = deployed
            .map(|(endpoint, id)| {
                json!({ "endpoint": place.endpoint(endpoint), "deployedModelId": id })
            })
            .collect();
        if !deployed.is_empty() {
            shown["deployedModels"] = deployed.into();
        }
        shown
    }
}

const INPUTS: [&str; 6] = ["jsonl", "bigquery", "csv", "tf-record", "tf-record-gzip", "file-list"];
