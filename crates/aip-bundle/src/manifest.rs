//! bundle.json: what the bundle is, and the digest of every file in it.

use serde::Serialize;

/// The version of bundle.json's shape. Within a version, fields are only added.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Nothing in it depends on where or when the bundle was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    pub(crate) package: Package,
    pub(crate) prediction_class: String,
    pub(crate) python_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mlflow_version: Option<String>,
    /// Names of MLmodel's flavors, sorted.
    pub(crate) flavors: Vec<String>,
    pub(crate) requirements: Vec<String>,
    /// Sorted by path.
    pub(crate) files: Vec<Entry>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A file of the bundle, relative to its directory.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl Manifest {
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }
}
