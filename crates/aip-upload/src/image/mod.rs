//! The image that serves the model: into its registry, by whoever makes it.

mod build;
mod context;
mod existing;
mod place;
mod push;
mod refusal;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use deployment::{Builder, Bundle, Extra, Image, PushedImage, Spec};
use gcp::Credentials;
use gcp::storage::Storage;
use oci::{Archive, Reference};
use stage::{Failure, Process};

use crate::inner::below;
use crate::plan::Plan;
use crate::there::There;
use build::CloudBuild;

pub(crate) use place::remark;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Image")]
pub(crate) struct ImageOptions {
    /// Repository below which images go; the model's name is added
    /// [env: AIP_IMAGE_REPOSITORY] [default: REGION-docker.pkg.dev/PROJECT/mlflow-aip]
    #[arg(long, value_name = "HOST/PATH")]
    image_repository: Option<String>,

    /// Google Cloud project id [env: project_id, GOOGLE_CLOUD_PROJECT,
    /// CLOUDSDK_CORE_PROJECT]
    #[arg(long, value_name = "ID")]
    project: Option<String>,

    /// Region of the repository and of builds [env: GOOGLE_CLOUD_REGION,
    /// CLOUDSDK_AI_REGION] [default: us-central1]
    #[arg(long)]
    region: Option<String>,

    /// Location of builds by Cloud Build, such as global [default: the region]
    #[arg(long, value_name = "LOCATION")]
    build_location: Option<String>,

    /// Account that builds run as [default: the project's own for builds]
    #[arg(long, value_name = "EMAIL")]
    build_service_account: Option<String>,

    /// Seconds that a build may take
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u32).range(60..=86400))]
    build_timeout: u32,
}

/// What is to be done about the image.
#[derive(Debug)]
pub(crate) struct Job {
    image: Image,
    work: Work,
    credentials: Arc<Credentials>,
}

#[derive(Debug)]
enum Work {
    Push {
        layout: PathBuf,
        to: Reference,
        jobs: usize,
    },
    Build(CloudBuild),
    Check(Reference),
    /// Google's own, which Vertex AI knows by their tags.
    Prebuilt(String),
}

/// What has become of it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) image: PushedImage,
    pub(crate) notes: Extra,
    /// With the next step.
    pub(crate) warnings: Vec<(String, Option<String>)>,
}

/// Whether the model's files must lie in the bucket as well.
pub(crate) fn needs_bucket(image: Option<&Image>) -> bool {
    image.is_none_or(|image| !image.embeds_model || image.builder == Builder::CloudBuild)
}

impl Job {
    /// Settles where the image goes; what was resolved goes into the document.
    pub(crate) fn new(
        options: &ImageOptions,
        spec: &mut Spec,
        bundle: Option<&Bundle>,
        credentials: Arc<Credentials>,
        jobs: usize,
    ) -> Result<Option<Self>, Failure> {
        let Some(bundle) = bundle else { return Ok(None) };
        let Some(image) = bundle.image.clone() else { return Ok(None) };
        let work = match &image.builder {
            Builder::Oci => {
                let layout = below(&bundle.directory, image.layout.as_deref().unwrap_or("image"))?;
                Work::Push { layout, to: place::reference(options, spec)?, jobs }
            }
            Builder::CloudBuild => Work::Build(cloud_build(options, spec, bundle, &image)?),
            Builder::Existing => {
                Work::Check(existing_uri(&image)?.parse().map_err(oci::Error::from)?)
            }
            Builder::Prebuilt => Work::Prebuilt(existing_uri(&image)?),
            Builder::Other(name) => {
                return Err(Failure::input(format!("this build knows no builder '{name}'"))
                    .hint("run aip-bundle and aip-upload of the same version"));
            }
        };
        Ok(Some(Self { image, work, credentials }))
    }

    /// What a dry run says, and what would stand in the document.
    pub(crate) fn dry(&self, process: &Process, plan: Option<&Plan>) -> Result<Done, Failure> {
        match &self.work {
            Work::Push { layout, to, .. } => push::dry(process, &self.image, layout, to),
            Work::Build(build) => Ok(build.dry(process, plan.ok_or_else(no_bucket)?)),
            Work::Check(reference) => Ok(existing::unchecked(reference)),
            Work::Prebuilt(uri) => Ok(prebuilt(uri)),
        }
    }

    pub(crate) fn run(
        &self,
        process: &Process,
        bucket_side: Option<(&Storage, &Plan, &There)>,
    ) -> Result<Done, Failure> {
        let credentials = self.credentials.clone();
        match &self.work {
            Work::Push { layout, to, jobs } => {
                push::push(process, credentials, &self.image, layout, to, *jobs)
            }
            Work::Build(build) => {
                let (storage, plan, there) = bucket_side.ok_or_else(no_bucket)?;
                build.run(process, credentials, storage, plan, there)
            }
            Work::Check(reference) => existing::check(credentials, reference),
            Work::Prebuilt(uri) => Ok(prebuilt(uri)),
        }
    }
}

fn cloud_build(
    options: &ImageOptions,
    spec: &mut Spec,
    bundle: &Bundle,
    image: &Image,
) -> Result<CloudBuild, Failure> {
    let to = place::reference(options, spec)?;
    let (project, region) = place::project_and_region(options, spec)?;
    let location = options.build_location.clone().unwrap_or(region);
    let account = options.build_service_account.as_deref();
    Ok(CloudBuild {
        // In a dry run the bundle need not be there.
        context: if spec.dry_run {
            Archive::default()
        } else {
            context::archive(bundle, image.embeds_model)?
        },
        location: format!("projects/{project}/locations/{location}"),
        service_account: account
            .map(|account| format!("projects/{project}/serviceAccounts/{account}")),
        timeout: std::time::Duration::from_secs(options.build_timeout.into()),
        project,
        to,
    })
}

fn existing_uri(image: &Image) -> Result<String, Failure> {
    image.uri.clone().ok_or_else(|| {
        Failure::input("the document lacks stages.bundle.image.uri").hint("run aip-bundle again")
    })
}

fn prebuilt(uri: &str) -> Done {
    Done { image: PushedImage { uri: uri.into(), ..PushedImage::default() }, ..Done::default() }
}

fn no_bucket() -> Failure {
    stage::settings::BUCKET.missing()
}
