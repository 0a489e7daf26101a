//! The part of the command line that says where.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use deployment::names::{NAME_LIMIT, is_alias, is_name};
use deployment::{Spec, Target};
use gcp::{Credentials, Service};
use stage::{Failure, settings};

use crate::place::{self, Place, refuse_flags};
use crate::{ai_platform, vertex};

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Where")]
pub struct Options {
    /// Service that serves the model: vertex or ai-platform [env: AIP_TARGET]
    /// [default: vertex]
    #[arg(long, global = true)]
    pub target: Option<Target>,

    /// Google Cloud project id [env: project_id, GOOGLE_CLOUD_PROJECT,
    /// CLOUDSDK_CORE_PROJECT]
    #[arg(long, global = true, value_name = "ID")]
    pub project: Option<String>,

    /// Region of the model; on Vertex AI us-central1 where none is given [env:
    /// GOOGLE_CLOUD_REGION, CLOUDSDK_AI_REGION]
    #[arg(long, global = true)]
    pub region: Option<String>,

    /// Use the region's own endpoint (REGION-ml.googleapis.com). What is
    /// created on one endpoint is invisible on the other; AI Platform only
    #[arg(long, global = true)]
    pub regional_endpoint: bool,

    /// Name of the model at the service [env: model_name]
    #[arg(long, global = true, value_name = "NAME")]
    pub model: Option<String>,

    /// Id of the endpoint, where it is not the model's name; Vertex AI only
    #[arg(long, global = true, value_name = "ID")]
    pub endpoint_id: Option<String>,

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
        Ok(match place {
            Place::AiPlatform(place) => {
                check_name(Target::AiPlatform, "model", &model)?;
                Place::AiPlatform(ai_platform::Place { model, ..place })
            }
            Place::Vertex(place) => {
                Place::Vertex(place.of_model(model, self.endpoint_id.clone(), spec)?)
            }
        })
    }

    /// The same without a model.
    pub fn service(&self, spec: &mut Spec) -> Result<Place, Failure> {
        let default = Some(Target::DEFAULT);
        let target = settings::TARGET.resolve(self.target, &mut spec.target, default)?;
        let target = target.unwrap_or(Target::DEFAULT);
        refuse_flags(target, &self.foreign(target))?;
        let project = settings::PROJECT.require(self.project.clone(), &mut spec.project)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
        if !project.starts_with(|c: char| c.is_ascii_alphanumeric()) || !project.chars().all(plain)
        {
            return Err(Failure::usage(format!("'{project}' is not a project id")));
        }
        match target {
            Target::AiPlatform => self.ai_platform(project, spec).map(Place::AiPlatform),
            Target::Vertex => {
                let location = self.region(spec, Some(vertex::REGION))?.unwrap_or_default();
                let root = gcp::vertex_endpoint(&location);
                Ok(Place::Vertex(vertex::Place::new(self.connect(root)?, project, location)))
            }
        }
    }

    fn ai_platform(&self, project: String, spec: &mut Spec) -> Result<ai_platform::Place, Failure> {
        let region = self.region(spec, None)?;
        if self.regional_endpoint {
            spec.ai_platform.regional_endpoint = Some(true);
        }
        let regional = spec.ai_platform.regional_endpoint == Some(true);
        if regional && region.is_none() {
            return Err(settings::REGION.missing());
        }
        let root = gcp::ml_endpoint(region.as_deref().filter(|_| regional));
        let service = self.connect(root)?;
        Ok(ai_platform::Place { service, project, region, model: String::new() })
    }

    fn region(&self, spec: &mut Spec, default: Option<&str>) -> Result<Option<String>, Failure> {
        let default = default.map(str::to_owned);
        let region = settings::REGION.resolve(self.region.clone(), &mut spec.region, default)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        match region {
            Some(region) if region.is_empty() || !region.chars().all(plain) => {
                Err(Failure::usage(format!("'{region}' is not a region")))
            }
            region => Ok(region),
        }
    }

    fn connect(&self, root: String) -> Result<Service, Failure> {
        let credentials = Arc::new(Credentials::new(self.access_token_file.clone()));
        Ok(Service::new(root, credentials)?)
    }

    /// Flags that mean nothing to `target`.
    fn foreign(&self, target: Target) -> Vec<String> {
        let foreign = match target {
            Target::Vertex => self.regional_endpoint.then_some("regional-endpoint"),
            Target::AiPlatform => self.endpoint_id.as_ref().map(|_| "endpoint-id"),
        };
        foreign.into_iter().map(str::to_owned).collect()
    }
}

/// Once the target is settled on.
impl VersionOptions {
    /// Of a version that is to be made.
    pub fn require_new(&self, spec: &mut Spec) -> Result<String, Failure> {
        let version = self.require(spec)?;
        check_name(place::target(spec), "version", &version)?;
        Ok(version)
    }

    pub fn require(&self, spec: &mut Spec) -> Result<String, Failure> {
        self.resolve(spec)?.ok_or_else(|| settings::VERSION.missing())
    }

    /// On Vertex AI, a version that is there is also known by its number.
    pub fn resolve(&self, spec: &mut Spec) -> Result<Option<String>, Failure> {
        let target = place::target(spec);
        let version =
            settings::VERSION.resolve(self.version_name.clone(), &mut spec.version, None)?;
        if let Some(version) = &version {
            let is_number = !version.is_empty() && version.bytes().all(|c| c.is_ascii_digit());
            if !(target == Target::Vertex && is_number) {
                check_name(target, "version", version)?;
            }
        }
        Ok(version)
    }
}

/// What AI Platform takes as a name, and Vertex AI as an alias.
fn check_name(target: Target, what: &str, name: &str) -> Result<(), Failure> {
    let (fits, form) = match target {
        Target::AiPlatform => (is_name(name), "a letter, then letters, digits and underscores"),
        Target::Vertex => (
            // The service gives "default" away itself.
            is_alias(name) && name != "default",
            "a lower-case letter, then letters, digits and '-', a lower-case letter or a digit last",
        ),
    };
    if fits {
        return Ok(());
    }
    Err(Failure::usage(format!("'{name}' cannot be the name of a {what} of target '{target}'"))
        .hint(format!("the service takes {form}, at most {NAME_LIMIT}")))
}
