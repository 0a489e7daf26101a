//! Remove a version.

use std::time::Duration;

use aip::{Place, Subject, given, refuse_flags};
use log::info;
use serde_json::json;
use stage::{Failure, Output, Process};

use crate::{ai_platform, vertex};

/// Remove a version and wait until it is gone
///
/// A version that is gone already is as good as removed. On Vertex AI, its
/// requests go elsewhere first. On AI Platform, the default version can only be
/// removed when it is the last.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version delete --project acme --model iris --version-name v1
  aip-version delete --project acme --model iris --version-name v2 --to v1
  aip-version delete --document 5-version.json --last")]
pub(crate) struct Args {
    #[command(flatten)]
    names: aip::Names,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    timeout: u64,

    #[command(flatten)]
    vertex: vertex::DeleteFlags,
}

pub(crate) fn run(
    process: &Process,
    options: &aip::Options,
    version: &aip::VersionOptions,
    args: &Args,
) -> Result<Output, Failure> {
    let mut subject = Subject::model(process, options, &args.names)?;
    let version = version.require(&mut subject.document.spec)?;
    let timeout = Duration::from_secs(args.timeout);
    let place = match &subject.place {
        Place::AiPlatform(place) => place,
        Place::Vertex(place) => {
            return vertex::delete(&subject, place, &version, &args.vertex, timeout);
        }
    };
    refuse_flags(subject.place.target(), &given(&args.vertex))?;
    let name = place.version_name(&version);
    if let Some(dry) = subject.dry(&[gcp::delete(&name)]) {
        return Ok(dry);
    }
    let deleted = ai_platform::delete(process, place, &version, timeout)?;
    info!("version '{name}' {}", if deleted { "is deleted" } else { "was not there" });
    Ok(Output::Json(json!({"name": name, "deleted": deleted})))
}
