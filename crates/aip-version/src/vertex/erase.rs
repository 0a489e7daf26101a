//! The version itself, once nothing is deployed of it.

use gcp::{Request, vertex};
use log::info;
use serde_json::Value;
use stage::Failure;

use super::delete::Removal;
use super::upload::number;

/// Whether it was there.
pub(super) fn erase(job: &Removal, found: &Value) -> Result<bool, Failure> {
    hand_over_default(job, found)?;
    let request = request(job, found)?;
    let hint = "it is deployed to another endpoint: undeploy it there first";
    let (service, waiting) = (&job.place.service, job.waiting(job.doing()));
    let name = job.place.version_name(&number(found));
    aip::delete(job.process, service, &name, &request, &waiting, hint)
}

/// The last version of a model goes with the model.
pub(super) fn request(job: &Removal, found: &Value) -> Result<Request, Failure> {
    let number = number(found);
    if others(job, &number)?.is_empty() {
        return Ok(gcp::delete(&job.place.model_name()));
    }
    Ok(vertex::delete_version(&job.place.version_name(&number)))
}

/// A model has a default version as long as it has any: the newest other.
fn hand_over_default(job: &Removal, found: &Value) -> Result<(), Failure> {
    let mut aliases = found["versionAliases"].as_array().into_iter().flatten();
    if !aliases.any(|alias| alias == "default") {
        return Ok(());
    }
    let others = others(job, &number(found))?;
    let Some(newest) = others.iter().max() else { return Ok(()) };
    let name = job.place.version_name(&newest.to_string());
    let merged = job.place.service.call(&vertex::merge_aliases(&name, &["default"]));
    merged.map_err(|error| job.refused(error, "aiplatform.models.update"))?;
    info!("'{name}' is the model's default version now");
    Ok(())
}

fn others(job: &Removal, number: &str) -> Result<Vec<u64>, Failure> {
    let request = vertex::list_versions(&job.place.model_name());
    let versions = job.place.service.all(request, "models");
    let versions = versions.map_err(|error| job.refused(error, "aiplatform.models.list"))?;
    let numbers = versions.iter().map(self::number).filter(|other| other != number);
    Ok(numbers.filter_map(|number| number.parse().ok()).collect())
}
