//! What is wanted.

use serde::{Deserialize, Serialize};

use crate::Extra;

/// The settings of a deployment. A stage writes back what it resolved, so the
/// stages after it inherit it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The service that serves the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Google Cloud project id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Google Cloud region, such as `europe-west1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Cloud Storage bucket for all artifacts of the model, without `gs://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Prefix in the bucket for all artifacts of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Name of the model at the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name of the version at the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What to deploy: an MLflow model URI, a run id or a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_uri: Option<String>,
    /// MLflow tracking server, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_uri: Option<String>,
    /// Template of predictor.py; without it, the one that is compiled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction_script: Option<String>,
    /// Template of setup.py; without it, the one that is compiled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_file: Option<String>,
    /// Directory below which models and bundles are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    /// A stage before this one ran dry: nothing it describes exists, so the
    /// stages after it run dry as well.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub dry_run: bool,
    /// Settings of AI Platform Prediction alone.
    #[serde(skip_serializing_if = "AiPlatform::is_empty", default)]
    pub ai_platform: AiPlatform,
    /// Settings of Vertex AI alone.
    #[serde(skip_serializing_if = "Vertex::is_empty", default)]
    pub vertex: Vertex,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Spec {
    /// The production URI: where everything of this version lies in the bucket,
    /// `gs://bucket/route/version/`. The route defaults to the model's name.
    /// Nothing until bucket, version and one of route and model are known.
    pub fn production_uri(&self) -> Option<String> {
        let bucket = self.bucket.as_deref()?;
        let route = self.route.as_deref().or(self.model.as_deref())?;
        let parts = route.split('/').chain([self.version.as_deref()?]);
        // Objects have names, not folders: `a//b` would be another place.
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        Some(format!("gs://{bucket}/{}/", parts.join("/")))
    }

    /// Where the model's files lie below it.
    pub fn model_artifact_uri(&self) -> Option<String> {
        self.production_uri().map(|uri| format!("{uri}model/"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Vertex AI (aiplatform.googleapis.com, v1).
    Vertex,
    /// AI Platform Prediction (ml.googleapis.com, v1).
    AiPlatform,
}

impl Target {
    /// Where a deployment goes that does not say.
    pub const DEFAULT: Self = Self::Vertex;

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vertex => "vertex",
            Self::AiPlatform => "ai-platform",
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "vertex" => Ok(Self::Vertex),
            "ai-platform" => Ok(Self::AiPlatform),
            other => {
                Err(format!("'{other}' is not a target; there are 'vertex' and 'ai-platform'"))
            }
        }
    }
}

/// Settings of AI Platform Prediction, as its API spells them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AiPlatform {
    /// Use the region's own endpoint (`REGION-ml.googleapis.com`) instead of
    /// the global one. What is created on one is invisible on the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional_endpoint: Option<bool>,
    /// Fields of the API's `Model`, besides name and regions.
    #[serde(skip_serializing_if = "Extra::is_empty", default)]
    pub model: Extra,
    /// Fields of the API's `Version`, besides name and what the bundle fixes.
    #[serde(skip_serializing_if = "Extra::is_empty", default)]
    pub version: Extra,
    #[serde(flatten)]
    pub extra: Extra,
}

impl AiPlatform {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Settings of Vertex AI; the API's resources in its own spelling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Vertex {
    /// Id of the endpoint; made of the model's name where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
    /// Where images go, such as `europe-west1-docker.pkg.dev/acme/models`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_repository: Option<String>,
    /// The image that ours is built on; `{python}` in it stands for `X.Y`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// Fields of the API's `Endpoint`, besides its name.
    #[serde(skip_serializing_if = "Extra::is_empty", default)]
    pub endpoint: Extra,
    /// Fields of the API's `Model`, besides what the bundle fixes.
    #[serde(skip_serializing_if = "Extra::is_empty", default)]
    pub model: Extra,
    /// Fields of the API's `DeployedModel`, besides id and model.
    #[serde(skip_serializing_if = "Extra::is_empty", default)]
    pub deployed_model: Extra,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Vertex {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_production_uri_needs_a_bucket_and_has_no_empty_part() {
        let mut spec = Spec {
            route: Some("/models//iris/".into()),
            model: Some("flowers".into()),
            version: Some("v3".into()),
            ..Spec::default()
        };
        assert_eq!(spec.production_uri(), None);
        spec.bucket = Some("acme".into());
        assert_eq!(spec.production_uri().unwrap(), "gs://acme/models/iris/v3/");
        assert_eq!(spec.model_artifact_uri().unwrap(), "gs://acme/models/iris/v3/model/");
        spec.route = None;
        assert_eq!(spec.production_uri().unwrap(), "gs://acme/flowers/v3/");
    }
}
