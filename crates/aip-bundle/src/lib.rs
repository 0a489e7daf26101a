//! aip-bundle: renders a model's predictor and its packaging, and writes the
//! reproducible bundle of both.

mod bundle;
mod directory;
mod error;
mod limits;
mod literal;
mod manifest;
mod model;
mod names;
mod pep440;
mod python;
mod requirements;
mod scratch;
mod sdist;
mod serving;
mod settled;
mod template;
mod vertex;
mod wheel;

use std::process::ExitCode;

use clap::Parser;
use deployment::Target;
use stage::{Failure, Output, Process};

use crate::bundle::Bundle;
use crate::limits::Remark;
use crate::settled::Settled;
use crate::vertex::{ImageArgs, Plan};

const STAGE: &str = "bundle";

/// Package a fetched model with the code that serves it
///
/// Reads a Deployment on stdin and writes it on stdout with stages.bundle filled
/// in. Renders predictor.py and setup.py, packs them as a source distribution
/// that requires what the model requires, and links the model's files beside it.
/// Equal input gives equal bytes; SOURCE_DATE_EPOCH is honoured.
///
/// For Vertex AI, the bundle holds the container image as well: a base image, what
/// the model requires, the predictor with a server, and the model where it is not
/// to come from a bucket. No Docker is needed; uv resolves and installs what the
/// model requires, for linux/amd64, with its own settings for private indexes.
///
/// A template of your own whose name ends in .tera is a tera template, in which
/// values are Python literals: {{ model_version | py }}. It has package_name,
/// model_name, model_version, version_name, model_artifact_uri, requirements and
/// python_version. Any other file is plain Python. In both, the words
/// MODEL_ARTIFACT_URI and MODEL_VERSION are replaced by their values as text.
#[derive(Debug, Parser)]
#[command(
    name = "aip-bundle",
    version,
    after_help = "Examples:\n  \
        mlf-fetch models:/iris@champion | aip-bundle\n  \
        aip-bundle --version-name v4 <1-fetch.json >2-bundle.json\n  \
        aip-bundle --base-image europe-docker.pkg.dev/acme/base/python:{python} <1-fetch.json\n  \
        aip-bundle --target ai-platform <1-fetch.json\n  \
        aip-bundle --prediction-script my_predictor.py --bucket acme-models <1-fetch.json"
)]
pub struct Args {
    /// Service that is to serve the model: vertex or ai-platform
    /// [env: AIP_TARGET] [default: vertex]
    #[arg(long)]
    target: Option<Target>,

    /// Name of the model at the service [env: model_name] [default: the
    /// registered model's name]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// Name of the version at the service [env: version_name] [default: v and
    /// the registered model's version, else v1]
    #[arg(long, value_name = "NAME")]
    version_name: Option<String>,

    /// Bucket that the model will lie in, for MODEL_ARTIFACT_URI
    /// [env: production_bucket]
    #[arg(long)]
    bucket: Option<String>,

    /// Prefix in the bucket, for MODEL_ARTIFACT_URI [env: production_route]
    /// [default: the model's name]
    #[arg(long)]
    route: Option<String>,

    /// Template of predictor.py [env: prediction_script] [default: compiled in]
    #[arg(long, value_name = "FILE", help_heading = "Package")]
    prediction_script: Option<String>,

    /// Template of setup.py [env: setup_file] [default: compiled in]
    #[arg(long, value_name = "FILE", help_heading = "Package")]
    setup_file: Option<String>,

    /// Class that the service loads
    #[arg(
        long,
        value_name = "predictor.CLASS",
        default_value = "predictor.Predictor",
        help_heading = "Package"
    )]
    prediction_class: String,

    /// Python that serves the model [default: the one that logged it]
    #[arg(long, value_name = "X.Y", help_heading = "Package")]
    python_version: Option<String>,

    /// Add a requirement, or replace the model's own of that name (repeatable)
    #[arg(long, value_name = "NAME==VERSION", help_heading = "Package")]
    requirement: Vec<String>,

    /// Leave out the model's own requirements
    #[arg(long, help_heading = "Package")]
    no_requirements: bool,

    #[command(flatten)]
    image: ImageArgs,

    /// Directory below which models and bundles are kept [env: tmp_dir]
    /// [default: mlflow-aip in $XDG_CACHE_HOME, else in ~/.cache]
    #[arg(long, value_name = "DIR", help_heading = "Place")]
    work_dir: Option<String>,

    /// Directory of this bundle; an older bundle there is replaced
    /// [default: bundles/MODEL-VERSION below the working directory]
    #[arg(short, long, value_name = "DIR", help_heading = "Place")]
    output: Option<String>,
}

pub fn main() -> ExitCode {
    stage::run(work)
}

fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    let mut document = process.read_document()?;
    document.forget_results(STAGE);
    document.stages.fetched()?;
    // Taken out while other fields change: it may name a hundred thousand files.
    let fetched = document.stages.fetch.take().unwrap_or_default();
    let mut remarks = Vec::new();
    let settled = Settled::new(args, &fetched, &mut document.spec, &mut remarks)?;
    let target = settled.target;
    let bundle = Bundle::make(args, &fetched, &document.spec, settled, &mut remarks)?;
    let plan = match target {
        Target::Vertex => {
            Some(Plan::new(args, &fetched, &mut document.spec, &bundle, &mut remarks)?)
        }
        Target::AiPlatform => {
            args.image.refuse()?;
            None
        }
    };
    let before = document.stages.bundle.take().unwrap_or_default();
    let stage = if document.spec.dry_run {
        bundle.would(process, plan.as_ref())?;
        bundle.dry(&fetched, plan.as_ref(), before)?
    } else {
        bundle.write(process, &fetched, plan.as_ref(), &mut remarks, before)?
    };
    for Remark { severity, message, hint } in remarks {
        stage::remark(&mut document, STAGE, severity, message, hint);
    }
    document.stages.fetch = Some(fetched);
    document.stages.bundle = Some(stage);
    Ok(document.into())
}
