//! projects.locations.batchPredictionJobs

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::batch::{self, Work};
use super::container_spec::{list as items, text};
use super::job::{Job, State};
use super::list;
use super::names::{check_display_name, split_version};
use super::operation::{empty, new_id};
use super::refusal::{check_labels, invalid, no_model, precondition};
use super::router::Call;
use super::schema;
use crate::api::outcome::{CANCELLED, Outcome};
use crate::api::refusal::unimplemented;
use crate::error::ApiError;

const FIELDS: [&str; 5] = ["displayName", "modelDisplayName", "state", "createTime", "labels"];

/// The job starts at once.
pub(super) fn create(call: &Call) -> Result<Response, ApiError> {
    let mut spec = schema::read("BatchPredictionJob", &call.body)?;
    check(&spec)?;
    let place = &call.place;
    let name = spec.remove("model").unwrap_or_default();
    let name = name.as_str().unwrap_or_default();
    let found = place.id_in("models", name).ok_or_else(|| no_model(name))?;
    let (model, wanted) = split_version(found);
    let id = new_id();
    let (shown, version) = call.vertex().catalog.change(|catalog| {
        let version = catalog.model(place, model)?.find(&place.model(model), wanted)?;
        let job = Job::new(spec, model.to_owned(), version);
        let shown = job.show(place, &id);
        catalog.at_mut(place).jobs.insert(id.clone(), job);
        Ok((shown, version))
    })?;
    let key = place.job(&id);
    let work =
        Work { app: call.app.clone(), place: place.clone(), id, model: model.to_owned(), version };
    call.vertex().running.spawn(&key, work.run());
    Ok(Json(shown).into_response())
}

fn check(spec: &Map<String, Value>) -> Result<(), ApiError> {
    let get = |field: &str| spec.get(field).unwrap_or(&Value::Null);
    check_display_name("BatchPredictionJob", get("displayName").as_str().unwrap_or_default())?;
    check_labels(spec)?;
    if !get("unmanagedContainerModel").is_null() {
        return Err(unimplemented("batch prediction with unmanaged container models"));
    }
    if get("generateExplanation") == &Value::Bool(true) {
        return Err(unimplemented("Vertex Explainable AI"));
    }
    let machine = &get("dedicatedResources")["machineSpec"];
    if text(machine, "machineType").is_empty() {
        let text = "dedicated_resources.machine_spec.machine_type is required.";
        return Err(invalid(text));
    }
    let (input, output) = (get("inputConfig"), get("outputConfig"));
    match text(input, "instancesFormat") {
        "jsonl" | "csv" | "file-list" => {}
        format @ ("bigquery" | "tf-record" | "tf-record-gzip") => {
            return Err(unimplemented(&format!("batch prediction from '{format}'")));
        }
        format => return Err(invalid(&format!("The instances format '{format}' is not known."))),
    }
    let uris = items(&input["gcsSource"], "uris");
    if uris.is_empty() {
        return Err(invalid("input_config.gcs_source.uris is required."));
    }
    for uri in uris.iter().filter_map(Value::as_str) {
        batch::check_source(uri)?;
    }
    match text(output, "predictionsFormat") {
        "jsonl" => {}
        "bigquery" => return Err(unimplemented("batch prediction to 'bigquery'")),
        format => return Err(invalid(&format!("The predictions format '{format}' is not known."))),
    }
    let prefix = text(&output["gcsDestination"], "outputUriPrefix");
    super::artifacts::Directory::parse("output_uri_prefix", prefix)?;
    batch::check_instances(get("instanceConfig"))
}

pub(super) fn get(call: &Call, id: &str) -> Result<Response, ApiError> {
    let shown = call
        .vertex()
        .catalog
        .read(|catalog| Ok::<_, ApiError>(catalog.job(&call.place, id)?.show(&call.place, id)))?;
    Ok(Json(shown).into_response())
}

pub(super) fn list(call: &Call) -> Result<Response, ApiError> {
    let all: Vec<(String, Value)> = call.vertex().catalog.read(|catalog| {
        let jobs = catalog.at(&call.place).into_iter().flat_map(|contents| &contents.jobs);
        jobs.map(|(id, job)| (id.clone(), job.show(&call.place, id))).collect()
    });
    Ok(Json(list::select(&call.query, "batchPredictionJobs", &FIELDS, all)?).into_response())
}

/// What was written stays.
pub(super) fn cancel(call: &Call, id: &str) -> Result<Response, ApiError> {
    schema::read("CancelBatchPredictionJobRequest", &call.body)?;
    call.vertex().catalog.read(|catalog| catalog.job(&call.place, id).map(drop))?;
    call.vertex().running.abort(&call.place.job(id));
    call.vertex().catalog.change(|catalog| {
        let job = catalog.job_mut(&call.place, id)?;
        if !job.state.is_over() {
            job.enter(State::Cancelled);
            job.error = Some((CANCELLED, "The job was cancelled.".to_owned()));
        }
        Ok(())
    })?;
    Ok(Json(json!({})).into_response())
}

pub(super) fn delete(call: &Call, id: &str) -> Result<Response, ApiError> {
    let place = &call.place;
    let operation = call.vertex().catalog.change(|catalog| {
        if !catalog.job(place, id)?.state.is_over() {
            let text = "The BatchPredictionJob cannot be deleted: it has not finished yet.";
            return Err(precondition(text));
        }
        catalog.at_mut(place).jobs.remove(id);
        Ok(catalog.begin(place, "", "DeleteOperationMetadata"))
    })?;
    let (app, own, done) = (call.app.clone(), place.clone(), operation.clone());
    let work = async move {
        app.vertex.finish(&own, &done, |_| Ok(Outcome::Response(empty())));
    };
    Ok(call.app.vertex.spawn(place, &operation, work))
}
