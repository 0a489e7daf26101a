//! Delete a version and create it anew under the same name.

use deployment::Deployment;
use log::{info, warn};
use serde_json::Value;
use stage::Failure;

use crate::create::{Job, STAGE};
use crate::{default, delete};

/// Gives the operation that creates it. The service keeps a default version
/// from being deleted while there are others: another one stands in, and
/// requests go on being answered.
pub(crate) fn run(job: &Job, document: &mut Deployment, found: &Value) -> Result<String, Failure> {
    let is_default = found["isDefault"] == true;
    let stand_in = if is_default { stand_in(job)? } else { None };
    if let Some(other) = &stand_in {
        default::set(job.place, other)?;
        info!("version '{other}' answers meanwhile");
    } else if is_default {
        let message =
            format!("model '{}' has no other version: requests fail meanwhile", job.place.model);
        warn!("{message}");
        document.warn(STAGE, message, Some("deploy under another name, then set-default".into()));
    }
    let result = swap(job, stand_in.is_some());
    result.map_err(|failure| match stand_in {
        Some(other) => failure.hint(format!(
            "version '{other}' is the default now; when '{0}' is there: aip-version set-default \
             --version-name {0}",
            job.version
        )),
        None => failure,
    })
}

fn swap(job: &Job, was_default: bool) -> Result<String, Failure> {
    let waiting = job.waiting();
    delete::delete(job.process, job.place, job.version, waiting.waiting.timeout)?;
    let operation = job.create().map_err(|error| job.refused(error))?;
    if was_default {
        // Only a version that is ready can be the default.
        crate::wait::ready(&waiting, Some(&operation))?;
        default::set(job.place, job.version)?;
    }
    Ok(operation)
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
