//! projects.locations.models

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::artifacts;
use super::catalog::Catalog;
use super::list;
use super::model::DEFAULT;
use super::names::{Place, split_version};
use super::operation::empty;
use super::refusal::precondition;
use super::router::Call;
use crate::api::outcome::Outcome;
use crate::error::ApiError;

/// By what lists of models, and of versions, can be filtered.
const FIELDS: [&str; 4] = ["model", "displayName", "labels", "baseModelName"];
const VERSION_FIELDS: [&str; 1] = ["labels"];

/// A version as the API shows it, or the default one without `wanted`. A name
/// that says which version is answered with one that says so too.
pub(super) fn show(
    catalog: &Catalog,
    place: &Place,
    id: &str,
    wanted: Option<&str>,
) -> Result<Value, ApiError> {
    let model = catalog.model(place, id)?;
    let name = place.model(id);
    let number = model.find(&name, wanted)?;
    let version = &model.versions[&number];
    let (shown_name, deployed) = match wanted {
        Some(_) => (format!("{name}@{number}"), catalog.deployments(place, id, Some(number))),
        None => (name, catalog.deployments(place, id, None)),
    };
    Ok(version.show(place, &shown_name, (number, model), deployed))
}

pub(super) fn get(call: &Call, name: &str) -> Result<Response, ApiError> {
    let (id, wanted) = split_version(name);
    let shown = call.vertex().catalog.read(|catalog| show(catalog, &call.place, id, wanted))?;
    Ok(Json(shown).into_response())
}

pub(super) fn list(call: &Call) -> Result<Response, ApiError> {
    let all = call.vertex().catalog.read(|catalog| {
        let models = catalog.at(&call.place).into_iter().flat_map(|contents| &contents.models);
        models
            .map(|(id, _)| Ok((id.clone(), show(catalog, &call.place, id, None)?)))
            .collect::<Result<Vec<_>, ApiError>>()
    })?;
    Ok(Json(list::select(&call.query, "models", &FIELDS, all)?).into_response())
}

pub(super) fn list_versions(call: &Call, name: &str) -> Result<Response, ApiError> {
    let (id, _) = split_version(name);
    let all = call.vertex().catalog.read(|catalog| {
        let versions = catalog.model(&call.place, id)?.versions.keys();
        versions
            .map(|number| {
                let number = number.to_string();
                let shown = show(catalog, &call.place, id, Some(&number))?;
                Ok((number, shown))
            })
            .collect::<Result<Vec<_>, ApiError>>()
    })?;
    Ok(Json(list::select(&call.query, "models", &VERSION_FIELDS, all)?).into_response())
}

pub(super) fn delete(call: &Call, name: &str) -> Result<Response, ApiError> {
    let (id, _) = split_version(name);
    let place = &call.place;
    let operation = call.vertex().catalog.change(|catalog| {
        catalog.model(place, id)?;
        refuse_deployed(catalog, place, id, None)?;
        Ok(catalog.begin(place, &format!("models/{id}"), "DeleteOperationMetadata"))
    })?;
    let (app, id, own) = (call.app.clone(), id.to_owned(), place.clone());
    let done = operation.clone();
    let work = async move {
        app.vertex.finish(&own, &done, |catalog| {
            // It may have been deployed meanwhile.
            refuse_deployed(catalog, &own, &id, None)?;
            let model = catalog.at_mut(&own).models.remove(&id);
            for version in model.iter().flat_map(|model| model.versions.values()) {
                artifacts::remove(&app.storage, version.artifacts.as_deref());
            }
            Ok(Outcome::Response(empty()))
        });
    };
    Ok(call.app.vertex.spawn(place, &operation, work))
}

pub(super) fn delete_version(call: &Call, name: &str) -> Result<Response, ApiError> {
    let (id, wanted) = split_version(name);
    let place = &call.place;
    let (operation, number) = call.vertex().catalog.change(|catalog| {
        let wanted = super::versions::explicit(wanted)?;
        let model = catalog.model(place, id)?;
        let number = model.find(&place.model(id), Some(wanted))?;
        if model.versions.len() == 1 {
            let text = "Deleting the only version in the Model is not allowed. Use DeleteModel \
                        for deleting the Model instead.";
            return Err(precondition(text));
        }
        if model.versions[&number].aliases.contains(DEFAULT) {
            let text = "The default version of a model cannot be deleted. Make another version \
                        the default first.";
            return Err(precondition(text));
        }
        refuse_deployed(catalog, place, id, Some(number))?;
        let target = format!("models/{id}");
        Ok((catalog.begin(place, &target, "DeleteOperationMetadata"), number))
    })?;
    let (app, id, own) = (call.app.clone(), id.to_owned(), place.clone());
    let done = operation.clone();
    let work = async move {
        app.vertex.finish(&own, &done, |catalog| {
            refuse_deployed(catalog, &own, &id, Some(number))?;
            let version = catalog.model_mut(&own, &id)?.versions.remove(&number);
            artifacts::remove(&app.storage, version.and_then(|v| v.artifacts).as_deref());
            Ok(Outcome::Response(empty()))
        });
    };
    Ok(call.app.vertex.spawn(place, &operation, work))
}

fn refuse_deployed(
    catalog: &Catalog,
    place: &Place,
    id: &str,
    version: Option<u32>,
) -> Result<(), ApiError> {
    let endpoints: Vec<String> =
        catalog.deployments(place, id, version).map(|(e, _)| place.endpoint(e)).collect();
    if endpoints.is_empty() {
        return Ok(());
    }
    let name = match version {
        Some(version) => format!("{}@{version}", place.model(id)),
        None => place.model(id),
    };
    Err(precondition(&format!(
        "The Model \"{name}\" is deployed or being deployed at the following Endpoint(s): {}.",
        endpoints.join(", ")
    )))
}
