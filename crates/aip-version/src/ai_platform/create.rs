//! Creating a version.

use aip::ai_platform::Place;
use deployment::Deployment;
use serde_json::{Value, json};
use stage::{Failure, Process};

use super::job::{Job, Started};
use super::{finish, resource};
use crate::create::Args;
use crate::default;
use crate::flags::put;

/// `stages.version` of the document says what came of it.
pub(crate) fn create(
    process: &Process,
    place: &Place,
    version: &str,
    document: &mut Deployment,
    args: &Args,
) -> Result<(), Failure> {
    let fields = &mut document.spec.ai_platform.version;
    let objects = ["labels", "autoScaling", "manualScaling"];
    aip::check_objects("spec.aiPlatform.version", fields, &objects)?;
    let flags = &args.flags;
    put(fields, "description", flags.description.as_ref());
    put(fields, "machineType", flags.machine_type.as_ref());
    put(fields, "serviceAccount", flags.service_account.as_ref());
    flags.write_labels(fields);
    args.ai_platform.write_to(fields);
    let wanted = resource::resource(document, version)?;
    let job = Job { process, place, version, wanted, timeout: args.timeout() };
    let set_default = args.ai_platform.set_default;
    if document.spec.dry_run {
        show(&job, document, set_default);
        finish::record(document, job.name(), false, &json!({"state": "DRY_RUN"}));
        return Ok(());
    }
    let started = job.start(document, args.replace)?;
    if args.no_wait {
        record_running(document, &job, &started);
        return Ok(());
    }
    let mut found = job.ready(started.operation.as_deref())?;
    finish::log_requests(process, place, version, document, &found)?;
    if set_default && found["isDefault"] != true {
        found = default::set(place, version)?;
    }
    finish::record(document, job.name(), started.created, &found);
    finish::announce(&job.name(), &found);
    Ok(())
}

/// The requests of a dry run.
fn show(job: &Job, document: &Deployment, set_default: bool) {
    let Place { service, .. } = job.place;
    let fields = &document.spec.ai_platform.version;
    let logging = finish::log_requests_by(job.place, job.version, fields);
    let default = set_default.then(|| gcp::ml::set_default(&job.name()));
    for request in [Some(job.request()), logging, default].into_iter().flatten() {
        job.process.would(&service.api().describe(&request));
    }
}

/// It may be on its way, or have been there before.
fn record_running(document: &mut Deployment, job: &Job, started: &Started) {
    let creating: Value = json!({"state": "CREATING"});
    let found = started.found.as_ref().unwrap_or(&creating);
    finish::record(document, job.name(), started.created, found);
    if let Some(stage) = &mut document.stages.version {
        stage.operation.clone_from(&started.operation);
    }
}
