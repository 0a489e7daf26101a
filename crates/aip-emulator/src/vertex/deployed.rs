//! projects.locations.endpoints.undeployModel and mutateDeployedModel

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::catalog::Catalog;
use super::endpoint::Endpoint;
use super::endpoints::touch;
use super::names::Place;
use super::operation::with_type;
use super::refusal::{invalid, not_found, precondition};
use super::resources::check_dedicated;
use super::router::Call;
use super::split::{self, Traffic};
use super::{container_spec, schema};
use crate::api::mask;
use crate::api::outcome::Outcome;
use crate::error::ApiError;

/// What a deployed model lets be changed.
const MUTABLE: [&str; 5] = [
    "dedicatedResources.minReplicaCount",
    "dedicatedResources.maxReplicaCount",
    "dedicatedResources.requiredReplicaCount",
    "dedicatedResources.autoscalingMetricSpecs",
    "disableContainerLogging",
];

pub(super) fn undeploy(call: &Call, endpoint: &str) -> Result<Response, ApiError> {
    let request = schema::read("UndeployModelRequest", &call.body)?;
    let id = request.get("deployedModelId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let split = request.get("trafficSplit").cloned();
    let place = &call.place;
    let operation = call.vertex().catalog.change(|catalog| {
        remaining(
            catalog.endpoint(place, endpoint)?,
            &place.endpoint(endpoint),
            &id,
            split.as_ref(),
        )?;
        let target = format!("endpoints/{endpoint}");
        Ok(catalog.begin(place, &target, "UndeployModelOperationMetadata"))
    })?;
    let (app, own, done) = (call.app.clone(), place.clone(), operation.clone());
    let endpoint = endpoint.to_owned();
    let work = async move {
        let name = own.endpoint(&endpoint);
        let mut is_out = false;
        app.vertex.finish(&own, &done, |catalog| {
            take_out(catalog, &own, &endpoint, &id, split.as_ref())?;
            is_out = true;
            Ok(Outcome::Response(with_type("UndeployModelResponse", json!({}))))
        });
        if is_out {
            app.vertex.0.serving.stop(&name, &id).await;
        }
    };
    Ok(call.app.vertex.spawn(place, &operation, work))
}

fn take_out(
    catalog: &mut Catalog,
    place: &Place,
    endpoint: &str,
    id: &str,
    split: Option<&Value>,
) -> Result<(), ApiError> {
    let found = catalog.endpoint_mut(place, endpoint)?;
    found.traffic = remaining(found, &place.endpoint(endpoint), id, split)?;
    found.deployed.remove(id);
    touch(found);
    Ok(())
}

/// The traffic after a model is taken out, which must have had none, unless
/// it is the last one.
fn remaining(
    endpoint: &Endpoint,
    name: &str,
    id: &str,
    split: Option<&Value>,
) -> Result<Traffic, ApiError> {
    if !endpoint.deployed.contains_key(id) {
        return Err(not_found("DeployedModel", &format!("{name}/deployedModels/{id}")));
    }
    let given = split::read(split, &endpoint.ids())?;
    if endpoint.deployed.len() == 1 {
        return Ok(Traffic::new());
    }
    let mut traffic = if given.is_empty() { endpoint.traffic.clone() } else { given };
    if traffic.remove(id).is_some_and(|percent| percent > 0) {
        return Err(precondition(&format!(
            "The DeployedModel with ID {id} cannot be undeployed from `{name}`: it has traffic \
             assigned to it. Assign its traffic to others in traffic_split."
        )));
    }
    Ok(traffic)
}

pub(super) fn mutate(call: &Call, endpoint: &str) -> Result<Response, ApiError> {
    let mut request = schema::read("MutateDeployedModelRequest", &call.body)?;
    let Some(Value::Object(given)) = request.remove("deployedModel") else {
        return Err(invalid("MutateDeployedModelRequest.deployed_model is required."));
    };
    let fields = mask::paths(container_spec::text(&Value::from(request), "updateMask"));
    let is_mutable = |field: &String| MUTABLE.iter().any(|known| known == field);
    match fields.iter().find(|field| !is_mutable(field)) {
        Some(field) => return Err(invalid(&format!("The field '{field}' cannot be mutated."))),
        None if fields.is_empty() => return Err(invalid("update_mask is required.")),
        None => {}
    }
    let place = &call.place;
    let (operation, shown) = call.vertex().catalog.change(|catalog| {
        let shown = change(catalog, place, endpoint, &given, &fields)?;
        let target = format!("endpoints/{endpoint}");
        Ok((catalog.begin(place, &target, "MutateDeployedModelOperationMetadata"), shown))
    })?;
    let (app, own, done) = (call.app.clone(), place.clone(), operation.clone());
    let work = async move {
        app.vertex.finish(&own, &done, |_| {
            let response = json!({ "deployedModel": shown });
            Ok(Outcome::Response(with_type("MutateDeployedModelResponse", response)))
        });
    };
    Ok(call.app.vertex.spawn(place, &operation, work))
}

fn change(
    catalog: &mut Catalog,
    place: &Place,
    endpoint: &str,
    given: &Map<String, Value>,
    fields: &[String],
) -> Result<Value, ApiError> {
    let found = catalog.endpoint_mut(place, endpoint)?;
    let id = given.get("id").and_then(Value::as_str).unwrap_or_default();
    let name = place.endpoint(endpoint);
    let deployed = found.deployed.get_mut(id);
    let deployed = deployed
        .ok_or_else(|| not_found("DeployedModel", &format!("{name}/deployedModels/{id}")))?;
    let mut spec = deployed.spec.clone();
    for field in fields {
        mask::apply(&mut spec, field, given);
    }
    check_dedicated(spec.get("dedicatedResources").unwrap_or(&Value::Null))?;
    deployed.spec = spec;
    let shown = deployed.show(place, id);
    touch(found);
    Ok(shown)
}
