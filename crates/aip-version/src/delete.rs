//! Remove a version.

use std::time::Duration;

use aip::Subject;
use log::info;
use serde_json::json;
use stage::{Failure, Output, Process};

use crate::ai_platform::delete;

/// Remove a version and wait until it is gone
///
/// A version that is gone already is as good as removed. The default version
/// can only be removed when it is the last.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version delete --project acme --model iris --version-name v1
  aip-version delete --document 5-version.json")]
pub(crate) struct Args {
    #[command(flatten)]
    names: aip::Names,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

pub(crate) fn run(
    process: &Process,
    options: &aip::Options,
    version: &aip::VersionOptions,
    args: &Args,
) -> Result<Output, Failure> {
    let mut subject = Subject::model(process, options, &args.names)?;
    let version = version.require(&mut subject.document.spec)?;
    let place = subject.place.ai_platform("version to delete")?;
    let name = place.version_name(&version);
    if let Some(dry) = subject.dry(&[gcp::delete(&name)]) {
        return Ok(dry);
    }
    let deleted = delete(process, place, &version, Duration::from_secs(args.timeout))?;
    info!("version '{name}' {}", if deleted { "is deleted" } else { "was not there" });
    Ok(Output::Json(json!({"name": name, "deleted": deleted})))
}
