//! projects.models

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::catalog::{Model, State};
use super::operation::{Subject, empty, with_type};
use super::operations::started;
use super::page::page;
use super::refusal::{check_labels, exists, invalid, no_version, precondition, quota};
use super::router::Call;
use super::{mask, names, schema};
use crate::api::outcome::Outcome;
use crate::api::stamp::etag;
use crate::error::ApiError;

const MAX_MODELS: usize = 100;

/// Where the service ran.
const REGIONS: [&str; 13] = [
    "asia-east1",
    "asia-northeast1",
    "asia-southeast1",
    "australia-southeast1",
    "europe-west1",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "northamerica-northeast1",
    "us-central1",
    "us-east1",
    "us-east4",
    "us-west1",
];

pub(super) fn create(call: &Call, project: &str) -> Result<Response, ApiError> {
    let mut spec = schema::read("model", schema::MODEL, &call.body)?;
    let name = spec.shift_remove("name").unwrap_or_default();
    let name = name.as_str().unwrap_or_default();
    names::check("model.name", name)?;
    check_labels("model", &spec)?;
    check_regions(&mut spec)?;
    spec.retain(|key, _| key != "etag" && key != "defaultVersion");
    let shown = call.ml().catalog.change(|catalog| {
        let models = &mut catalog.projects.entry(project.to_owned()).or_default().models;
        if models.contains_key(name) {
            return Err(exists("model"));
        }
        if models.len() >= MAX_MODELS {
            return Err(quota(&format!("A project has at most {MAX_MODELS} models.")));
        }
        let model = Model { spec, default_version: None, etag: etag(), versions: BTreeMap::new() };
        let shown = model.show(&full_name(project, name));
        models.insert(name.to_owned(), model);
        Ok(shown)
    })?;
    Ok(Json(shown).into_response())
}

fn check_regions(spec: &mut Map<String, Value>) -> Result<(), ApiError> {
    let regions = spec.entry("regions").or_insert_with(|| json!([]));
    match regions.as_array().map(Vec::as_slice).unwrap_or_default() {
        [] => *regions = json!(["us-central1"]),
        [Value::String(region)] if REGIONS.contains(&region.as_str()) => {}
        [region] => {
            let text = format!("The region {region} is not supported.");
            return Err(invalid("model.regions", &text));
        }
        _ => return Err(invalid("model.regions", "Only one region per model is supported.")),
    }
    Ok(())
}

pub(super) fn get(call: &Call, project: &str, name: &str) -> Result<Response, ApiError> {
    let shown = call.ml().catalog.read(|catalog| {
        let model = catalog.model(project, name)?;
        Ok::<_, ApiError>(model.show(&full_name(project, name)))
    })?;
    Ok(Json(shown).into_response())
}

pub(super) fn list(call: &Call, project: &str) -> Result<Response, ApiError> {
    let shown = call.ml().catalog.read(|catalog| {
        let all = catalog.projects.get(project).into_iter().flat_map(|p| p.models.iter());
        page(&call.query, "models", all, |name, model| model.show(&full_name(project, name)))
    });
    Ok(Json(shown?).into_response())
}

pub(super) fn delete(call: &Call, project: &str, name: &str) -> Result<Response, ApiError> {
    let id = call.ml().catalog.change(|catalog| {
        if !catalog.model(project, name)?.versions.is_empty() {
            let text = "Cannot delete a model that has versions. Delete its versions first.";
            return Err(precondition("name", text));
        }
        catalog.begin(&Subject { kind: "DELETE_MODEL", project, model: name, version: None })
    })?;
    let (ml, project, name) = (call.app.ml.clone(), project.to_owned(), name.to_owned());
    let work = {
        let (project, id) = (project.clone(), id.clone());
        async move {
            ml.finish(&project, &id, |catalog| {
                let models = &mut catalog.projects.entry(project.clone()).or_default().models;
                // A version may have come meanwhile.
                if models.get(&name).is_some_and(|model| model.versions.is_empty()) {
                    models.remove(&name);
                }
                Ok(Outcome::Response(empty()))
            });
        }
    };
    call.app.ml.spawn(&project, &id, work);
    started(call, &project, &id)
}

pub(super) fn patch(call: &Call, project: &str, name: &str) -> Result<Response, ApiError> {
    let fields = mask::read(&call.query, |field| {
        matches!(field, "description" | "defaultVersion.name" | "labels" | "etag")
    })?;
    let patch = schema::read("model", schema::MODEL, &call.body)?;
    check_labels("model", &patch)?;
    let id = call.ml().catalog.change(|catalog| {
        let model = catalog.model_mut(project, name)?;
        mask::check_etag(&model.etag, &patch)?;
        if fields.iter().any(|field| field == "defaultVersion.name") {
            let version = patch.get("defaultVersion").and_then(|version| version["name"].as_str());
            // The documentation shows the bare name; the full one is as clear.
            let version = version.unwrap_or_default().rsplit('/').next().unwrap_or_default();
            set_default(model, version)?;
        }
        for field in fields.iter().filter(|field| *field == "description" || *field == "labels") {
            mask::apply(&mut model.spec, field, &patch);
        }
        model.etag = etag();
        let shown = model.show(&full_name(project, name));
        let subject = Subject { kind: "UPDATE_MODEL", project, model: name, version: None };
        Ok(catalog.finished(&subject, with_type("Model", shown)))
    })?;
    started(call, project, &id)
}

pub(super) fn set_default(model: &mut Model, version: &str) -> Result<(), ApiError> {
    let state = model.versions.get(version).ok_or_else(|| no_version(version))?.state;
    if !matches!(state, State::Ready | State::Updating) {
        let text = format!("The version '{version}' is not ready to become the default version.");
        return Err(precondition("name", &text));
    }
    model.default_version = Some(version.to_owned());
    Ok(())
}

pub(super) fn full_name(project: &str, model: &str) -> String {
    format!("projects/{project}/models/{model}")
}
