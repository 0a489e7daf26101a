//! Images as those who run them see them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// An image for linux/amd64 that is there whole.
#[derive(Debug, Clone)]
pub struct Image {
    /// As it was asked for
    pub uri: String,
    /// Of the manifest for this platform
    pub digest: String,
    pub config: Config,
    /// From the base upwards
    pub layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
pub struct Layer {
    /// The blob
    pub path: PathBuf,
    pub media_type: String,
    /// The digest of what is in it, unpacked
    pub diff_id: String,
}

/// How containers of the image are run (`config` of the image's config).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    pub env: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub working_dir: String,
    pub user: String,
    pub labels: Option<BTreeMap<String, String>>,
}

/// Why there is no such image, as Vertex AI says it of one it cannot pull.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("Invalid image URI '{0}'.")]
    Invalid(String),
    #[error("Image '{0}' must be in Artifact Registry.")]
    Elsewhere(String),
    #[error("Image '{0}' not found.")]
    NotFound(String),
    #[error("Image '{0}' is not built for linux/amd64.")]
    OtherPlatform(String),
    #[error("Image '{0}' cannot be pulled: {1}.")]
    Broken(String, String),
}
