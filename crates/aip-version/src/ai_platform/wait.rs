//! Waiting until a version answers.

use aip::Waiting;
use aip::ai_platform::Place;
use deployment::Deployment;
use gcp::{Outcome, operation_outcome};
use serde_json::Value;
use stage::{Failure, Process};

use super::failure::failure;
use super::finish;

/// `stages.version` of the document says what came of it.
pub(crate) fn wait(
    process: &Process,
    place: &Place,
    version: &str,
    document: &mut Deployment,
    waiting: &Waiting,
    operation: Option<&str>,
) -> Result<(), Failure> {
    let created = document.stages.version.as_ref().is_some_and(|stage| stage.created);
    let found = ready(process, place, version, waiting, operation)?;
    finish::log_requests(process, place, version, document, &found)?;
    let name = place.version_name(version);
    finish::announce(&name, &found);
    finish::record(document, name, created, &found);
    Ok(())
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
    let ended = aip::ended(process, waiting, |_| {
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
    })?;
    ended.map_err(|message| failure(&waiting.doing, &message))
}
