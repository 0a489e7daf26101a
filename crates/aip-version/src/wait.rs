//! Wait until a version answers.

use std::time::Duration;

use aip::{Place, Waiting};
use gcp::ml::{Outcome, operation_outcome};
use log::info;
use serde_json::Value;
use stage::{Failure, Output, Process};

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
        document.versioned()?;
    }
    let place = options.place(&mut document.spec)?;
    let version = version.require(&mut document.spec)?;
    if document.spec.dry_run {
        return Ok(document.into());
    }
    let stage = document.stages.version.get_or_insert_default();
    let operation = args.operation.clone().or_else(|| stage.operation.clone());
    let doing = format!("create version '{version}' of model '{}'", place.model);
    let resume = "run the same command again".to_owned();
    let waiting = Waiting { doing, resume, timeout: Duration::from_secs(args.timeout) };
    let ready = Ready { process, place: &place, version: &version, waiting };
    let found = self::ready(&ready, operation.as_deref())?;

    stage.name = place.version_name(&version);
    stage.state = found["state"].as_str().unwrap_or("READY").into();
    stage.operation = None;
    stage.is_default = Some(found["isDefault"] == true);
    info!("version '{}' is ready", stage.name);
    Ok(document.into())
}

pub(crate) struct Ready<'a> {
    pub(crate) process: &'a Process,
    pub(crate) place: &'a Place,
    pub(crate) version: &'a str,
    pub(crate) waiting: Waiting,
}

/// Waits for the operation, where it is known and still on record, else for the
/// version's own state, and gives the version as it is then.
pub(crate) fn ready(ready: &Ready, operation: Option<&str>) -> Result<Value, Failure> {
    let service = &ready.place.service;
    let name = ready.place.version_name(ready.version);
    aip::wait(ready.process, &ready.waiting, || {
        if let Some(operation) = operation {
            match service.get(operation).map(|operation| operation_outcome(&operation)) {
                Ok(Outcome::Done(_)) => {}
                Err(error) if error.status() == Some(404) => {}
                running_or_failed => return running_or_failed,
            }
        }
        let version = service.get(&name)?;
        Ok(match version["state"].as_str() {
            Some("CREATING" | "UPDATING") => Outcome::Running,
            Some("FAILED") => {
                let text = version["errorMessage"].as_str();
                Outcome::Failed(text.unwrap_or("the version has failed").into())
            }
            _ => Outcome::Done(version),
        })
    })
}
