//! A model's versions, and who gets which share of the requests.

use aip::vertex::{Deployed, Endpoint, Place};
use aip::{BUNDLE_DIGEST, Subject};
use gcp::vertex;
use serde_json::{Value, json};
use stage::{Failure, Output};

use super::failure;
use super::upload::number;

/// The model's and the endpoint's records put together, a version each.
pub(crate) fn list(subject: &Subject, place: &Place) -> Result<Output, Failure> {
    let request = vertex::list_versions(&place.model_name());
    if let Some(dry) = subject.dry(&[request.clone(), gcp::get(&place.endpoint_name())]) {
        return Ok(dry);
    }
    let doing = format!("list the versions of model '{}'", place.model);
    let refused = |permission| {
        let doing = doing.as_str();
        move |error| failure::refused(error, doing, permission)
    };
    let versions =
        place.service.all(request, "models").map_err(refused("aiplatform.models.list"))?;
    let endpoint = match Endpoint::read(place) {
        Err(error) if error.status() == Some(404) => Endpoint(json!({})),
        read => read.map_err(refused("aiplatform.endpoints.get"))?,
    };
    let shown: Vec<_> = versions.iter().map(|version| show(place, &endpoint, version)).collect();
    Ok(Output::Json(json!({"versions": shown})))
}

fn show(place: &Place, endpoint: &Endpoint, version: &Value) -> Value {
    let number = number(version);
    let model = place.model_name();
    let deployed = endpoint.deployed();
    let deployed: Vec<_> = deployed.iter().filter(|one| one.is_of(&model, &number)).collect();
    let ids: Vec<_> = deployed.iter().map(|one| one.id()).collect();
    let names: Vec<_> = deployed.iter().map(|one| Deployed::version(**one)).collect();
    let split = endpoint.split();
    let traffic: u32 = ids.iter().map(|id| u32::from(split.percent(id))).sum();
    let mut shown = json!({
        "name": place.version_name(&number),
        "aliases": version["versionAliases"],
        "bundleDigest": version["labels"][BUNDLE_DIGEST],
        "createTime": version["versionCreateTime"],
        "deployedAs": names,
        "deployedModelIds": ids,
        "traffic": traffic,
    });
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    shown
}
