//! Delete a version and create it anew under the same name.

use deployment::Deployment;
use log::info;
use serde_json::Value;
use stage::Failure;

use super::delete::delete;
use super::existing::{self, Existing};
use super::job::{Job, Started};
use crate::create::STAGE;
use crate::default;

/// The service keeps a default version from being deleted while there are
/// others: another one stands in, and requests go on being answered. In the
/// end, however it ends, the default is this version again or the failure says
/// which one it is.
pub(crate) fn run(job: &Job, document: &mut Deployment, found: &Value) -> Result<Started, Failure> {
    let is_default = found["isDefault"] == true;
    let Some(other) = (if is_default { stand_in(job)? } else { None }) else {
        if is_default {
            warn_of_a_gap(job, document);
        }
        delete(job.process, job.place, job.version, job.timeout)?;
        return begin(job);
    };

    let message = format!("interrupted while replacing version '{}'", job.version);
    let resume = format!(
        "version '{other}' is the default now; run the same command again, with --set-default"
    );
    let interrupt = job.process.on_interrupt(message, &resume)?;
    default::set(job.place, &other)?;
    info!("version '{other}' answers meanwhile");
    if let Err(failure) = delete(job.process, job.place, job.version, job.timeout) {
        // It is still there, so it can be the default again.
        return Err(match default::set(job.place, job.version) {
            Ok(_) => failure,
            Err(_) => failure.hint(resume),
        });
    }
    let replaced = begin(job).and_then(|mut started| {
        // Only a version that is ready can be the default.
        job.ready(started.operation.as_deref())?;
        started.found = Some(default::set(job.place, job.version)?);
        Ok(started)
    });
    drop(interrupt);
    replaced.map_err(|failure| failure.hint(resume))
}

fn begin(job: &Job) -> Result<Started, Failure> {
    match job.create()? {
        Existing::Begun(operation) => Ok(Started::by(operation)),
        // Ours: the answer to our create was lost, and it was sent again.
        Existing::Same(found) => Ok(Started { created: true, found: Some(found), operation: None }),
        Existing::Other(found) => Err(existing::refuse(job, &found)),
    }
}

fn warn_of_a_gap(job: &Job, document: &mut Deployment) {
    let model = &job.place.model;
    let message = format!("model '{model}' has no other version: requests fail meanwhile");
    let hint = "deploy under another name, then set-default";
    stage::warn(document, STAGE, message, Some(hint.into()));
}

/// The newest other version that can answer.
fn stand_in(job: &Job) -> Result<Option<String>, Failure> {
    let versions = job
        .place
        .service
        .list(&job.place.model_name(), "versions")
        .map_err(|error| job.refused(error))?;
    let ready = versions.iter().filter(|version| {
        version["state"] == "READY" && version["name"].as_str() != Some(&job.name())
    });
    let newest = ready.max_by_key(|version| version["createTime"].as_str().unwrap_or_default());
    let name = newest.and_then(|version| version["name"].as_str());
    Ok(name.and_then(|name| name.rsplit('/').next()).map(str::to_owned))
}
