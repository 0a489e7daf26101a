//! `storage.objects.get`, `delete`, `patch` and `update`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;

use super::download;
use super::object::Settings;
use super::params::{Origin, Params, Target, json_object};
use super::precondition::Preconditions;
use crate::error::ApiError;
use crate::state::App;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ObjectParams {
    pub(super) generation: Option<i64>,
    pub(super) alt: Option<String>,
}

pub(super) async fn get(
    State(app): State<App>,
    origin: Origin,
    target: Target,
    Params(params): Params<ObjectParams>,
    Params(conditions): Params<Preconditions>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if params.alt.as_deref() == Some("media") {
        return Ok(download::media(&app, &target, params.generation, &conditions, &headers));
    }
    let object = app.storage.get(&target.bucket, &target.object, params.generation)?;
    conditions.check_read(&object)?;
    Preconditions::check_etags(&headers, &object)?;
    Ok(Json(object.resource(&origin)).into_response())
}

pub(super) async fn delete(
    State(app): State<App>,
    target: Target,
    Params(params): Params<ObjectParams>,
    Params(conditions): Params<Preconditions>,
) -> Result<StatusCode, ApiError> {
    app.storage.delete(&target.bucket, &target.object, params.generation, &conditions)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes what is given.
pub(super) async fn patch(
    State(app): State<App>,
    origin: Origin,
    target: Target,
    Params(params): Params<ObjectParams>,
    Params(conditions): Params<Preconditions>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let fields = json_object(&body)?;
    let Target { bucket, object } = &target;
    let changed =
        app.storage.modify(bucket, object, params.generation, &conditions, |settings| {
            settings.patch(&fields)
        })?;
    Ok(Json(changed.resource(&origin)))
}

/// Replaces everything; what is not given is gone.
pub(super) async fn update(
    State(app): State<App>,
    origin: Origin,
    target: Target,
    Params(params): Params<ObjectParams>,
    Params(conditions): Params<Preconditions>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let fields = json_object(&body)?;
    let Target { bucket, object } = &target;
    let changed = app
        .storage
        .modify(bucket, object, params.generation, &conditions, |_| Settings::from_json(&fields))?;
    Ok(Json(changed.resource(&origin)))
}
