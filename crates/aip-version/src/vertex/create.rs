//! Creating a version: upload, deploy, traffic.

use aip::vertex::{Endpoint, Place};
use deployment::Deployment;
use log::info;
use stage::{Failure, Process};

use super::job::Job;
use super::upload::{self, Uploaded};
use super::{deploy, record, replace, resource};
use crate::canary::Candidate;
use crate::create::Args;
use crate::flags::put;
use crate::traffic;

/// `stages.version` of the document says what came of it.
pub(crate) fn create(
    process: &Process,
    place: &Place,
    version: &str,
    document: &mut Deployment,
    args: &Args,
) -> Result<(), Failure> {
    write_flags(document, args)?;
    let canary = args.canary.prepare(document)?;
    let job = Job {
        process,
        place,
        version,
        model: resource::model(document, place, version)?,
        deployed: resource::deployed(document, version),
        // A canary is asked before it gets any.
        traffic: if canary.is_some() { Some(0) } else { args.vertex.traffic },
        replace: args.replace,
        timeout: args.timeout(),
    };
    if document.spec.dry_run {
        show(&job, document);
        if let Some(canary) = canary {
            canary.would(process, version);
        }
        return Ok(());
    }
    let Uploaded { number, created } = upload::upload(&job, document)?;
    let begun = deploy::begin(&job, &number)?;
    let operation = begun.operation.as_ref().and_then(|operation| operation["name"].as_str());
    record::running(document, place, &number, &begun.id, operation);
    document.stages.version.get_or_insert_default().created = created;
    if args.no_wait && begun.operation.is_some() {
        return Ok(());
    }
    if let Some(operation) = &begun.operation {
        deploy::finish(&job, &begun.id, operation)?;
    }
    if let Some(canary) = canary {
        let (id, timeout) = (begun.id.as_str(), job.timeout);
        canary.run(&Candidate { process, place, version, id, timeout })?;
    }
    let endpoint = settle_traffic(&job, &begun.id)?;
    record::ready(document, place, &number, &begun.id, &endpoint);
    announce(place, version, &begun.id, &endpoint);
    Ok(())
}

/// Into the document, where the API's own fields stand.
fn write_flags(document: &mut Deployment, args: &Args) -> Result<(), Failure> {
    let flags = &args.flags;
    let model = &mut document.spec.vertex.model;
    aip::check_objects("spec.vertex.model", model, resource::MODEL_OBJECTS)?;
    put(model, "versionDescription", flags.description.as_ref());
    flags.write_labels(model);
    args.vertex.check()?;
    args.vertex.write_to_model(model);
    let deployed = &mut document.spec.vertex.deployed_model;
    aip::check_objects("spec.vertex.deployedModel", deployed, resource::DEPLOYED_OBJECTS)?;
    put(deployed, "serviceAccount", flags.service_account.as_ref());
    args.vertex.write_to_deployed(deployed, flags.machine_type.as_ref());
    Ok(())
}

/// Once it is there: what it replaces hands over, and it gets what was asked for.
fn settle_traffic(job: &Job, id: &str) -> Result<Endpoint, Failure> {
    let endpoint = deploy::read(job)?;
    let replaces = replace::take_over(job, id, &endpoint)?;
    let percent = job.traffic.filter(|percent| *percent > 0);
    if let Some(percent) = percent {
        let doing = format!("give version '{}' {percent} % of the traffic", job.version);
        traffic::give(job.process, job.place, &doing, id, percent)?;
    }
    if replaces || percent.is_some() { deploy::read(job) } else { Ok(endpoint) }
}

/// The requests of a dry run, as if nothing were deployed to the endpoint.
fn show(job: &Job, document: &mut Deployment) {
    let wanted = resource::with_id(&job.deployed, &job.place.version_name(job.version));
    let deploy = deploy::request(job, &wanted, true);
    for request in [upload::request(job), deploy] {
        job.process.would(&job.place.service.api().describe(&request));
    }
    if let Some(percent @ 1..100) = job.traffic {
        job.process.would(&format!("give version '{}' {percent} % of the traffic", job.version));
    }
    let id = wanted["id"].as_str().unwrap_or_default();
    record::running(document, job.place, job.version, id, None);
    let stage = document.stages.version.get_or_insert_default();
    stage.state = "DRY_RUN".into();
    stage.created = false;
}

pub(super) fn announce(place: &Place, version: &str, id: &str, endpoint: &Endpoint) {
    let percent = endpoint.split().percent(id);
    info!(
        "version '{version}' is ready at '{}', with {percent} % of the requests",
        place.endpoint_name()
    );
    if percent == 0 {
        info!("aip-version traffic promote gives it the requests");
    }
}
