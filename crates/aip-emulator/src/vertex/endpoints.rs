//! projects.locations.endpoints

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::names::check_endpoint_id;
use super::operation::{empty, new_id, with_type};
use super::refusal::{exists, invalid, precondition};
use super::router::Call;
use super::split::{self, Traffic};
use super::versions::{check_etag, read_mask};
use super::{list, schema, settings};
use crate::api::mask;
use crate::api::outcome::Outcome;
use crate::api::stamp::{etag, precise_now};
use crate::error::ApiError;

const FIELDS: [&str; 4] = ["endpoint", "displayName", "labels", "baseModelName"];

/// What `patch` changes; the connection's settings are for `update`.
const UPDATABLE: [&str; 8] = [
    "displayName",
    "description",
    "labels",
    "trafficSplit",
    "predictRequestResponseLoggingConfig",
    "dedicatedEndpointEnabled",
    "privateServiceConnectConfig",
    "etag",
];

pub(super) fn create(call: &Call) -> Result<Response, ApiError> {
    let mut spec = schema::read("Endpoint", &call.body)?;
    settings::check(&spec)?;
    let id = match call.query.get("endpointId").map(String::as_str) {
        None | Some("") => new_id(),
        Some(id) => check_endpoint_id(id).map(|()| id.to_owned())?,
    };
    spec.retain(|field, _| field != "name" && field != "etag");
    if spec.remove("trafficSplit").is_some_and(|split| !is_empty(&split)) {
        return Err(invalid("Endpoint.traffic_split must be empty: nothing is deployed yet."));
    }
    let place = &call.place;
    let endpoint = new(spec);
    let operation = call.vertex().catalog.change(|catalog| {
        if catalog.endpoint(place, &id).is_ok() {
            return Err(exists(&place.endpoint(&id)));
        }
        Ok(catalog.begin(place, &format!("endpoints/{id}"), "CreateEndpointOperationMetadata"))
    })?;
    let (app, own, done) = (call.app.clone(), place.clone(), operation.clone());
    let work = async move {
        app.vertex.finish(&own, &done, |catalog| {
            if catalog.endpoint(&own, &id).is_ok() {
                return Err(exists(&own.endpoint(&id)));
            }
            let shown = endpoint.show(&own, &id, app.vertex.0.dns());
            catalog.at_mut(&own).endpoints.insert(id, endpoint);
            Ok(Outcome::Response(with_type("Endpoint", shown)))
        });
    };
    Ok(call.app.vertex.spawn(place, &operation, work))
}

fn new(spec: Map<String, Value>) -> Endpoint {
    let time = precise_now();
    Endpoint {
        spec,
        create_time: time.clone(),
        update_time: time,
        etag: etag(),
        traffic: Traffic::new(),
        deployed: BTreeMap::new(),
    }
}

fn is_empty(split: &Value) -> bool {
    split.as_object().is_none_or(Map::is_empty)
}

pub(super) fn get(call: &Call, id: &str) -> Result<Response, ApiError> {
    let shown = call.vertex().catalog.read(|catalog| {
        let endpoint = catalog.endpoint(&call.place, id)?;
        Ok::<_, ApiError>(endpoint.show(&call.place, id, call.vertex().dns()))
    })?;
    Ok(Json(shown).into_response())
}

pub(super) fn list(call: &Call) -> Result<Response, ApiError> {
    let all: Vec<(String, Value)> = call.vertex().catalog.read(|catalog| {
        let contents = catalog.at(&call.place).into_iter();
        let endpoints = contents.flat_map(|contents| &contents.endpoints);
        let show = |(id, one): (&String, &Endpoint)| {
            (id.clone(), one.show(&call.place, id, call.vertex().dns()))
        };
        endpoints.map(show).collect()
    });
    Ok(Json(list::select(&call.query, "endpoints", &FIELDS, all)?).into_response())
}

/// Clients send the whole resource; what is not masked is not looked at.
pub(super) fn patch(call: &Call, id: &str) -> Result<Response, ApiError> {
    let patch = schema::read("Endpoint", &call.body)?;
    let fields = read_mask(call, &UPDATABLE)?;
    let shown = call.vertex().catalog.change(|catalog| {
        let endpoint = catalog.endpoint_mut(&call.place, id)?;
        check_etag(&endpoint.etag, &patch)?;
        let traffic = if fields.iter().any(|field| field == "trafficSplit") {
            split::read(patch.get("trafficSplit"), &endpoint.ids())?
        } else {
            endpoint.traffic.clone()
        };
        let mut spec = endpoint.spec.clone();
        for field in fields.iter().filter(|field| *field != "etag" && *field != "trafficSplit") {
            mask::apply(&mut spec, field, &patch);
        }
        settings::check(&spec)?;
        endpoint.spec = spec;
        endpoint.traffic = traffic;
        touch(endpoint);
        Ok(endpoint.show(&call.place, id, call.vertex().dns()))
    })?;
    Ok(Json(shown).into_response())
}

/// Marks a change.
pub(super) fn touch(endpoint: &mut Endpoint) {
    endpoint.etag = etag();
    endpoint.update_time = precise_now();
}

/// The long-running way to update, which is for one field only.
pub(super) fn update(call: &Call, id: &str) -> Result<Response, ApiError> {
    let mut request = schema::read("UpdateEndpointLongRunningRequest", &call.body)?;
    let Some(Value::Object(given)) = request.remove("endpoint") else {
        return Err(invalid("UpdateEndpointLongRunningRequest.endpoint is required."));
    };
    let place = &call.place;
    let operation = call.vertex().catalog.change(|catalog| {
        let endpoint = catalog.endpoint_mut(place, id)?;
        check_etag(&endpoint.etag, &given)?;
        let mut spec = endpoint.spec.clone();
        mask::apply(&mut spec, "clientConnectionConfig", &given);
        settings::check(&spec)?;
        endpoint.spec = spec;
        touch(endpoint);
        Ok(catalog.begin(place, &format!("endpoints/{id}"), "UpdateEndpointOperationMetadata"))
    })?;
    let (app, own, done) = (call.app.clone(), place.clone(), operation.clone());
    let id = id.to_owned();
    let work = async move {
        app.vertex.finish(&own, &done, |catalog| {
            let shown = catalog.endpoint(&own, &id)?.show(&own, &id, app.vertex.0.dns());
            Ok(Outcome::Response(with_type("Endpoint", shown)))
        });
    };
    Ok(call.app.vertex.spawn(place, &operation, work))
}

pub(super) fn delete(call: &Call, id: &str) -> Result<Response, ApiError> {
    let place = &call.place;
    let operation = call.vertex().catalog.change(|catalog| {
        refuse_deployed(catalog.endpoint(place, id)?, &place.endpoint(id))?;
        Ok(catalog.begin(place, &format!("endpoints/{id}"), "DeleteOperationMetadata"))
    })?;
    let (app, own, done) = (call.app.clone(), place.clone(), operation.clone());
    let id = id.to_owned();
    let work = async move {
        app.vertex.finish(&own, &done, |catalog| {
            if let Ok(endpoint) = catalog.endpoint(&own, &id) {
                refuse_deployed(endpoint, &own.endpoint(&id))?;
            }
            catalog.at_mut(&own).endpoints.remove(&id);
            Ok(Outcome::Response(empty()))
        });
    };
    Ok(call.app.vertex.spawn(place, &operation, work))
}

fn refuse_deployed(endpoint: &Endpoint, name: &str) -> Result<(), ApiError> {
    if endpoint.deployed.is_empty() {
        return Ok(());
    }
    Err(precondition(&format!(
        "Endpoint `{name}` has deployed or being-deployed DeployedModel(s) with ID(s): {}. \
         Undeploy them first.",
        endpoint.ids().join(", ")
    )))
}
