//! Remove a version.

use std::time::Duration;

use aip::{Place, Waiting};
use log::info;
use serde_json::json;
use stage::{Failure, Output, Process};

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
    let mut document = args.names.read(process)?;
    let place = options.place(&mut document.spec)?;
    let version = version.require(&mut document.spec)?;
    let name = place.version_name(&version);
    if document.spec.dry_run {
        return Ok(place.dry(process, &gcp::delete(&name)));
    }
    let deleted = delete(process, &place, &version, Duration::from_secs(args.timeout))?;
    info!("version '{name}' {}", if deleted { "is deleted" } else { "was not there" });
    Ok(Output::Json(json!({"name": name, "deleted": deleted})))
}

/// Whether there was one.
pub(crate) fn delete(
    process: &Process,
    place: &Place,
    version: &str,
    timeout: Duration,
) -> Result<bool, Failure> {
    let doing = format!("delete version '{version}' of model '{}'", place.model);
    let service = &place.service;
    let operation = match service.call(&gcp::delete(&place.version_name(version))) {
        Ok(operation) => operation,
        Err(error) if error.status() == Some(404) => return Ok(false),
        Err(error) => {
            let refused = error.status() == Some(400);
            let failure = Failure::from(error).context(format!("cannot {doing}"));
            return Err(if refused {
                failure.hint("make another version the default first: aip-version set-default")
            } else {
                failure
            });
        }
    };
    let waiting = Waiting { doing, resume: "run the same command again".into(), timeout };
    aip::wait_for_operation(process, service, &waiting, &operation)?;
    Ok(true)
}
