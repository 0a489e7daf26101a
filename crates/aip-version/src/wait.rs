//! Wait until a version answers.

use std::time::Duration;

use aip::{Place, Waiting};
use gcp::{Outcome, operation_outcome};
use serde_json::Value;
use stage::{Failure, Output, Process};

use crate::finish;

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
    let recorded = document.stages.version.as_ref();
    let operation =
        args.operation.clone().or_else(|| recorded.and_then(|stage| stage.operation.clone()));
    let created = recorded.is_some_and(|stage| stage.created);
    let waiting = Waiting {
        doing: format!("create version '{version}' of model '{}'", place.model),
        resume: "run the same command again".into(),
        timeout: Duration::from_secs(args.timeout),
    };
    let found = ready(process, &place, &version, &waiting, operation.as_deref())?;
    finish::log_requests(process, &place, &version, &document, &found)?;
    let name = place.version_name(&version);
    finish::announce(&name, &found);
    finish::record(&mut document, name, created, &found);
    Ok(document.into())
}

/// Waits for the operation, where it is known and still on record, else for the
/// version's own state, and gives the version as it is then.
pub(crate) fn ready(
    process: &Process,
    place: &Place,
    version: &str,
    waiting: &Waiting,
    operation: Option<&str>,
) -> Result<Value, Failure> {
    let service = &place.service;
    let name = place.version_name(version);
    aip::wait(process, waiting, || {
        if let Some(operation) = operation {
            match service.get(operation).map(|operation| operation_outcome(&operation)) {
                Ok(Outcome::Done(_)) => {}
                Err(error) if error.status() == Some(404) => {}
                running_or_failed => return running_or_failed,
            }
        }
        let version = service.get(&name)?;
        Ok(match version["state"].as_str() {
            Some("READY") | None => Outcome::Done(version),
            Some("CREATING" | "UPDATING" | "UNKNOWN") => Outcome::Running,
            Some(state) => {
                let text = version["errorMessage"].as_str().map(str::to_owned);
                Outcome::Failed(text.unwrap_or_else(|| format!("the version is {state}")))
            }
        })
    })
}
