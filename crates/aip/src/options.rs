//! The part of the command line that says where.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use deployment::names::{NAME_LIMIT, is_name};
use deployment::{Spec, Target};
use gcp::{Credentials, Service};
use stage::{Failure, settings};

use crate::Place;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Where")]
pub struct Options {
    /// Service that serves the model: ai-platform [env: AIP_TARGET]
    #[arg(long, global = true)]
    pub target: Option<Target>,

    /// Google Cloud project id [env: project_id, GOOGLE_CLOUD_PROJECT,
    /// CLOUDSDK_CORE_PROJECT]
    #[arg(long, global = true, value_name = "ID")]
    pub project: Option<String>,

    /// Region of the model [env: GOOGLE_CLOUD_REGION, CLOUDSDK_AI_REGION]
    #[arg(long, global = true)]
    pub region: Option<String>,

    /// Use the region's own endpoint (REGION-ml.googleapis.com). What is
    /// created on one endpoint is invisible on the other
    #[arg(long, global = true)]
    pub regional_endpoint: bool,

    /// Name of the model at the service [env: model_name]
    #[arg(long, global = true, value_name = "NAME")]
    pub model: Option<String>,

    /// File with an access token, instead of the credentials that are found
    #[arg(long, global = true, value_name = "FILE")]
    pub access_token_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct VersionOptions {
    /// Name of the version at the service [env: version_name]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Where")]
    pub version_name: Option<String>,
}

impl Options {
    /// Settles on a service and a model; what was resolved goes into `spec`.
    pub fn place(&self, spec: &mut Spec) -> Result<Place, Failure> {
        let place = self.service(spec)?;
        let model = settings::MODEL.require(self.model.clone(), &mut spec.model)?;
        check_name("model", &model)?;
        Ok(Place { model, ..place })
    }

    /// The same without a model.
    pub fn service(&self, spec: &mut Spec) -> Result<Place, Failure> {
        let target = Some(Target::AiPlatform);
        settings::TARGET.resolve(self.target, &mut spec.target, target)?;
        let project = settings::PROJECT.require(self.project.clone(), &mut spec.project)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
        if !project.starts_with(|c: char| c.is_ascii_alphanumeric()) || !project.chars().all(plain)
        {
            return Err(Failure::usage(format!("'{project}' is not a project id")));
        }
        let region = settings::REGION.resolve(self.region.clone(), &mut spec.region, None)?;
        if region
            .as_ref()
            .is_some_and(|region| !region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        {
            return Err(Failure::usage(format!(
                "'{}' is not a region",
                region.unwrap_or_default()
            )));
        }
        if self.regional_endpoint {
            spec.ai_platform.regional_endpoint = Some(true);
        }
        let regional = spec.ai_platform.regional_endpoint == Some(true);
        if regional && region.is_none() {
            return Err(settings::REGION.missing());
        }
        let root = gcp::ml_endpoint(region.as_deref().filter(|_| regional));
        let credentials = Arc::new(Credentials::new(self.access_token_file.clone()));
        let service = Service::new(root, credentials)?;
        Ok(Place { service, project, region, model: String::new() })
    }
}

impl VersionOptions {
    pub fn require(&self, spec: &mut Spec) -> Result<String, Failure> {
        let version = settings::VERSION.require(self.version_name.clone(), &mut spec.version)?;
        check_name("version", &version)?;
        Ok(version)
    }

    pub fn resolve(&self, spec: &mut Spec) -> Result<Option<String>, Failure> {
        let version =
            settings::VERSION.resolve(self.version_name.clone(), &mut spec.version, None)?;
        if let Some(version) = &version {
            check_name("version", version)?;
        }
        Ok(version)
    }
}

fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::usage(format!("'{name}' cannot be the name of a {what}")).hint(format!(
        "the service takes a letter, then letters, digits and underscores, at most {NAME_LIMIT}"
    )))
}
