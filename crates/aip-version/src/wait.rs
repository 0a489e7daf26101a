//! Wait until a version answers.

use std::time::Duration;

use aip::{Place, Waiting};
use stage::{Failure, Output, Process};

use crate::{ai_platform, vertex};

/// Wait until a version that is being created answers
///
/// Reads a Deployment on stdin, as `aip-version create --no-wait` wrote it, and
/// writes it on stdout with the outcome in `stages.version`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version wait <5-version.json
  aip-version wait --operation projects/acme/operations/create_iris_v1-1607934875576 <4-model.json")]
pub(crate) struct Args {
    /// The operation, where the document does not name it
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
}

pub(crate) fn run(
    process: &Process,
    options: &aip::Options,
    version: &aip::VersionOptions,
    args: &Args,
) -> Result<Output, Failure> {
    let mut document = process.read_document()?;
    if args.operation.is_none() {
        document.stages.versioned()?;
    }
    let place = options.place(&mut document.spec)?;
    let version = version.require(&mut document.spec)?;
    if document.spec.dry_run {
        return Ok(document.into());
    }
    let recorded = document.stages.version.as_ref().and_then(|stage| stage.operation.clone());
    let operation = args.operation.clone().or(recorded);
    let waiting = Waiting {
        doing: format!("create version '{version}' of model '{}'", place.model()),
        resume: "run the same command again".into(),
        timeout: Duration::from_secs(args.timeout),
    };
    let operation = operation.as_deref();
    match &place {
        Place::AiPlatform(place) => {
            ai_platform::wait(process, place, &version, &mut document, &waiting, operation)?;
        }
        Place::Vertex(place) => {
            vertex::wait(process, place, &version, &mut document, &waiting, operation)?;
        }
    }
    Ok(document.into())
}
