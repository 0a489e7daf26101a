//! What a version replaces: it answers until the new one does.

use aip::Waiting;
use aip::vertex::{Deployed, Endpoint, Place};
use gcp::vertex;
use log::info;
use serde_json::json;
use stage::{Failure, Process};

use super::failure;
use super::job::Job;
use super::operations::settle;
use super::shift::shift;
use crate::create::AGAIN;

const UNDEPLOY: &str = "UndeployModelOperationMetadata";

/// Moves the requests of everything else that is deployed under the version's
/// name over to `id`, and undeploys it. Whether there was something.
pub(super) fn take_over(job: &Job, id: &str, endpoint: &Endpoint) -> Result<bool, Failure> {
    let old = others(endpoint, job.version, id);
    if old.is_empty() {
        return Ok(false);
    }
    let doing = format!("move the requests of version '{}' to its successor", job.version);
    shift(job.process, job.place, &doing, false, |endpoint| {
        let old = others(endpoint, job.version, id);
        Ok(old.iter().fold(endpoint.split(), |split, old| split.moved(old, id)))
    })?;
    for old in old {
        let waiting = Waiting {
            doing: format!("undeploy '{old}', which version '{}' replaces", job.version),
            resume: AGAIN.into(),
            timeout: job.timeout,
        };
        undeploy(job.process, job.place, &old, &waiting)?;
        info!("undeployed '{old}', which version '{}' replaces", job.version);
    }
    Ok(true)
}

fn others(endpoint: &Endpoint, version: &str, id: &str) -> Vec<String> {
    let deployed = endpoint.deployed().into_iter();
    let others = deployed.filter(|one| one.version() == version && one.id() != id);
    others.map(Deployed::id).map(str::to_owned).collect()
}

/// It must have no traffic, unless it is the last. Whether it was there.
pub(super) fn undeploy(
    process: &Process,
    place: &Place,
    id: &str,
    waiting: &Waiting,
) -> Result<bool, Failure> {
    let endpoint = place.endpoint_name();
    settle(process, &place.service, waiting, &endpoint, UNDEPLOY)?;
    // The same request, whose answer was lost, may have been quicker.
    let is_gone = || Endpoint::read(place).is_ok_and(|endpoint| endpoint.by_id(id).is_none());
    let request = vertex::undeploy_model(&endpoint, id, &json!({}));
    match place.service.call(&request) {
        Ok(operation) => match aip::outcome(process, &place.service, waiting, &operation)? {
            Err(message) if !is_gone() => Err(failure::failed(&waiting.doing, &message)),
            _ => Ok(true),
        },
        Err(_) if is_gone() => Ok(false),
        Err(error) => Err(failure::refused(error, &waiting.doing, "aiplatform.endpoints.undeploy")),
    }
}
