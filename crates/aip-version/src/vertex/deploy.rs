//! The deployment of a version to its endpoint.

use aip::vertex::{Deployed, Endpoint, Split};
use deployment::Kind;
use gcp::{Request, vertex};
use log::info;
use serde_json::Value;
use stage::Failure;

use super::failure;
use super::job::Job;
use super::resource::with_id;
use crate::create::AGAIN;

pub(super) const KIND: &str = "DeployModelOperationMetadata";
const PERMISSION: &str = "aiplatform.endpoints.deploy";

/// A deployment that is there, or on its way.
pub(super) struct Begun {
    pub(super) id: String,
    /// Where it is on its way.
    pub(super) operation: Option<Value>,
}

/// Begins it, or finds it begun or done by an earlier run. `number` is the
/// version's, as the service counts.
pub(super) fn begin(job: &Job, number: &str) -> Result<Begun, Failure> {
    let doing = format!("deploy version '{}'", job.version);
    let message = format!("interrupted while trying to {doing}");
    let _interrupt = job.process.on_interrupt(message, AGAIN)?;
    let wanted = with_id(&job.deployed, &job.place.version_name(number));
    let endpoint = read(job)?;
    if let Some(id) = found(job, &endpoint, number, &wanted)? {
        return Ok(Begun { id, operation: None });
    }
    job.settle(&job.place.endpoint_name(), KIND)?;
    let endpoint = read(job)?;
    if let Some(id) = found(job, &endpoint, number, &wanted)? {
        return Ok(Begun { id, operation: None });
    }
    let is_first = endpoint.deployed().is_empty();
    check_traffic(job, is_first)?;
    match job.place.service.call(&request(job, &wanted, is_first)) {
        Ok(operation) => {
            let id = wanted["id"].as_str().unwrap_or_default().to_owned();
            info!("deploying version '{}' to '{}'", job.version, job.place.endpoint_name());
            Ok(Begun { id, operation: Some(operation) })
        }
        // The answer to the same request may have been lost.
        Err(error) if matches!(error.status(), Some(400 | 409)) => {
            job.settle(&job.place.endpoint_name(), KIND)?;
            match found(job, &read(job)?, number, &wanted)? {
                Some(id) => Ok(Begun { id, operation: None }),
                None => Err(job.refused(error, PERMISSION)),
            }
        }
        Err(error) => Err(job.refused(error, PERMISSION)),
    }
}

/// Waits until it answers.
pub(super) fn finish(job: &Job, id: &str, operation: &Value) -> Result<(), Failure> {
    let doing = format!(
        "deploy version '{}' of model '{}' to endpoint '{}'",
        job.version, job.place.model, job.place.endpoint_id
    );
    let waiting = job.waiting(doing);
    let ended = aip::outcome(job.process, &job.place.service, &waiting, operation)?;
    let Err(message) = ended else { return Ok(()) };
    // Another operation may have been quicker, be it that of the same request
    // whose answer was lost.
    job.settle(&job.place.endpoint_name(), KIND)?;
    if read(job).is_ok_and(|endpoint| endpoint.by_id(id).is_some()) {
        return Ok(());
    }
    Err(failure::deployment(job.place, id, &waiting.doing, &message))
}

/// The endpoint's first gets all requests with its deployment; whatever comes
/// after it gets some only once it is there.
pub(super) fn request(job: &Job, wanted: &Value, is_first: bool) -> Request {
    let split = match job.traffic {
        None | Some(100) if is_first => Split::all_to("0"),
        _ => Split::default(),
    };
    vertex::deploy_model(&job.place.endpoint_name(), wanted, &split.to_json())
}

/// Requests that do not go to the endpoint's first would go to nobody.
fn check_traffic(job: &Job, is_first: bool) -> Result<(), Failure> {
    match job.traffic {
        Some(percent @ 1..100) if is_first => {
            let message = format!("nothing else is deployed that {} % could go to", 100 - percent);
            Err(Failure::usage(message).hint("give --traffic 100, or --traffic 0"))
        }
        _ => Ok(()),
    }
}

pub(super) fn read(job: &Job) -> Result<Endpoint, Failure> {
    Endpoint::read(job.place).map_err(|error| {
        let status = error.status();
        let failure = job.refused(error, "aiplatform.endpoints.get");
        if status == Some(404) { failure.hint("run aip-model create first") } else { failure }
    })
}

/// The id under which the version is deployed as it is wanted. What is deployed
/// of it in another way makes way only if that is asked for; what is deployed
/// of another version that had this name has been given up already.
fn found(
    job: &Job,
    endpoint: &Endpoint,
    number: &str,
    wanted: &Value,
) -> Result<Option<String>, Failure> {
    let model = job.place.model_name();
    let deployed = endpoint.deployed();
    let same =
        |deployed: &&Deployed| deployed.version() == job.version && deployed.is_of(&model, number);
    let mut ours = deployed.iter().filter(same).rev();
    let differences = |deployed: &Deployed| aip::differences(wanted, deployed.0, &["id", "model"]);
    if let Some(found) = ours.clone().find(|deployed| differences(deployed).is_empty()) {
        return Ok(Some(found.id().to_owned()));
    }
    match ours.next() {
        Some(other) if !job.replace => Err(refuse(job, &differences(other))),
        _ => Ok(None),
    }
}

fn refuse(job: &Job, differences: &[aip::Difference]) -> Failure {
    let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
    let differences = differences.join("; ");
    Failure::new(Kind::Refused, format!("cannot {}", job.doing()))
        .http_status(409)
        .because(format!("it is deployed already, in another way: {differences}"))
        .hint("deploy it anew with --replace: the old one answers until the new one does")
}
