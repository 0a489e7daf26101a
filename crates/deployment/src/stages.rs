//! What each tool has done. One writer per stage.
//!
//! A stage's fields are its identity: what later stages use. `notes` are for
//! people and are never read by code.

use serde::{Deserialize, Serialize};

use crate::{Extra, Rest};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stages {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch: Option<Fetch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Bundle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A file on this machine, or a file of the model that was left where it lies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct File {
    /// Relative to the stage's directory, with `/` between components.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, lower-case hexadecimal; empty in a dry run, and where nobody
    /// read the file: see `uri`.
    #[serde(default)]
    pub sha256: String,
    /// CRC-32C as Cloud Storage spells it: base64 of four big-endian bytes;
    /// empty in a dry run, and where the file's store does not know it.
    #[serde(default)]
    pub crc32c: String,
    /// Where the file lies, if it is not below the stage's directory:
    /// `gs://bucket/name`, from where aip-upload copies it, or a place that
    /// only MLflow reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The generation of that object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(with = "Extra"))]
    pub extra: Rest,
}

impl File {
    /// Whether its bytes are on this machine.
    pub fn is_here(&self) -> bool {
        self.uri.is_none()
    }
}

/// An object in Cloud Storage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Object {
    /// `gs://bucket/name`.
    pub uri: String,
    /// Bytes.
    pub size: u64,
    /// As in `File`.
    pub crc32c: String,
    /// The generation that holds this content; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(with = "Extra"))]
    pub extra: Rest,
}

/// Written by mlf-fetch: the model's files, here, and what MLmodel says of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fetch {
    /// The model, pinned: `models:/m-…`, `models:/name/3`, `runs:/ID/path` or a directory.
    pub model_uri: String,
    /// Where MLflow keeps it; absent for a local directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_uri: Option<String>,
    /// The MLmodel directory on this machine, absolute.
    pub directory: String,
    /// SHA-256 over the sorted lines `sha256  path`, lower-case hexadecimal. For
    /// an object that was left in Cloud Storage, `uri#generation` stands for
    /// the first; empty where other files were left.
    pub digest: String,
    pub files: Vec<File>,
    #[serde(default)]
    pub lineage: Lineage,
    /// MLmodel's `flavors`, whole.
    #[serde(default)]
    pub flavors: Extra,
    /// Python that logged the model, such as `3.11.7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_example: Option<Example>,
    /// Names of the environment variables that the model wants at run time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_variables: Vec<String>,
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub notes: Extra,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment_id: Option<String>,
    /// MLflow 3's id of the logged model, `m-…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_version: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A model's signature: each part the JSON that MLmodel holds as a string.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signature {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<serde_json::Value>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// The model's input example.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// Relative to the model's directory.
    pub path: String,
    /// The same as a request to MLflow's scoring server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving_path: Option<String>,
    /// MLflow's word for its shape: `dataframe`, `ndarray`, `json_object`, …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Written by aip-bundle: the predictor and its packaging.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// Absolute.
    pub directory: String,
    /// SHA-256 of `bundle.json`, which holds the digests of all the rest.
    pub digest: String,
    /// The model's files, absolute; `files` of the fetch stage lie below it.
    pub model_directory: String,
    pub package: Package,
    /// The source distribution, below `directory`.
    pub sdist: File,
    /// `module.Class`.
    pub prediction_class: String,
    /// `X.Y`.
    pub python_version: String,
    /// What the package installs.
    pub requirements: Vec<String>,
    /// The wheel, below `directory`; Vertex AI only, as all below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wheel: Option<File>,
    /// The requirements resolved for the image's platform, with hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Files of the model besides those of the fetch stage, below
    /// `modelDirectory`: the same under names that a prebuilt container looks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_files: Vec<File>,
    /// What the model answers to its own input example, so that a deployed
    /// version can be held against it: a JSON object of `instances` and
    /// `predictions`, below `directory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<File>,
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub notes: Extra,
    #[serde(flatten)]
    pub extra: Extra,
}

/// The container image that serves the model on Vertex AI.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Image {
    pub builder: Builder,
    /// The OCI image layout, below the bundle's directory; `oci` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The manifest's digest, `sha256:…`; unknown until a build elsewhere ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes of all blobs, compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The image that it is built on, by digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// An image that exists: of `--image`, or a prebuilt container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Whether the model lies in the image, and so need not be in the bucket.
    #[serde(default)]
    pub embeds_model: bool,
    /// Of the API's `containerSpec`; absent where the container has none of
    /// its own, as Google's prebuilt ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predict_route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Who makes the image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// aip-bundle, as an OCI image layout.
    #[default]
    Oci,
    /// Cloud Build, from the bundle's Dockerfile.
    CloudBuild,
    /// Somebody else: it exists.
    Existing,
    /// Google: a prebuilt container, which takes the model's files alone.
    Prebuilt,
    /// One that a later build within this version added.
    #[serde(untagged)]
    Other(String),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Package {
    pub name: String,
    pub version: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Written by aip-upload: what lies in the bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The MLmodel directory, `gs://…/`; empty where the image holds the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub deployment_uri: String,
    /// The source distributions, `gs://…`.
    #[serde(default)]
    pub package_uris: Vec<String>,
    #[serde(default)]
    pub objects: Vec<Object>,
    /// The image in its registry; Vertex AI only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<PushedImage>,
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub notes: Extra,
    #[serde(flatten)]
    pub extra: Extra,
}

/// An image in a registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushedImage {
    /// `HOST/PATH@sha256:…`; by tag only where no digest could be had.
    pub uri: String,
    /// `sha256:…`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Written by aip-model: what versions belong to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// `projects/P/models/M`, or `projects/P/locations/L/endpoints/E`.
    pub name: String,
    /// Whether this run created it.
    pub created: bool,
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub notes: Extra,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Written by aip-version: what answers predictions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// `projects/P/models/M/versions/V`, or `projects/P/locations/L/models/M@N`.
    pub name: String,
    /// Whether this run created it.
    pub created: bool,
    /// The service's word: `CREATING`, `READY`, `FAILED`, …
    pub state: String,
    /// The operation that creates it, while it runs: `projects/P/operations/O`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Whether the model's requests go here when they name no version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// The endpoint it is deployed to; Vertex AI only, as all below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its id there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed_model_id: Option<String>,
    /// Its share of the endpoint's requests, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<u8>,
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub notes: Extra,
    #[serde(flatten)]
    pub extra: Extra,
}
