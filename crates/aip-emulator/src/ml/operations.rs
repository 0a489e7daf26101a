//! projects.operations

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::catalog::State;
use super::names;
use super::page::page;
use super::refusal::{no_operation, unimplemented};
use super::router::Call;
use crate::api::outcome::{CANCELLED, Outcome};
use crate::error::ApiError;

pub(super) fn get(call: &Call, project: &str, id: &str) -> Result<Response, ApiError> {
    let shown = call.ml().catalog.read(|catalog| {
        let operation = catalog.projects.get(project).and_then(|p| p.operations.get(id));
        operation.map(|operation| operation.show(&name(project, id)))
    });
    Ok(Json(shown.ok_or_else(|| no_operation(id))?).into_response())
}

pub(super) fn list(call: &Call, project: &str) -> Result<Response, ApiError> {
    let given = |name, nothing| call.query.get(name).is_some_and(|value| value != nothing);
    if given("filter", "") || given("returnPartialSuccess", "false") {
        return Err(unimplemented("filters for operations, or partial success"));
    }
    let shown = call.ml().catalog.read(|catalog| {
        let all = catalog.projects.get(project).into_iter().flat_map(|p| p.operations.iter());
        page(&call.query, "operations", all, |id, one| one.show(&name(project, id)))
    });
    Ok(Json(shown?).into_response())
}

/// Creates are cancelled; everything else is over in a moment, and a cancel
/// that comes too late is no error.
pub(super) async fn cancel(call: &Call, project: &str, id: &str) -> Result<Response, ApiError> {
    let ml = call.ml();
    let cancelled = ml.catalog.change(|catalog| {
        let operations = catalog.operations(project);
        let operation = operations.get_mut(id).ok_or_else(|| no_operation(id))?;
        let is_create = operation.metadata["operationType"] == "CREATE_VERSION";
        if !is_create || operation.outcome.is_some() {
            return Ok(None);
        }
        let message = "The operation was cancelled.";
        operation.metadata["isCancellationRequested"] = true.into();
        operation.finish(Outcome::Error { code: CANCELLED, message: message.to_owned() });
        let name = operation.metadata["version"]["name"].as_str().unwrap_or_default();
        let target = names::parse(name)?;
        let [_, _, _, model, _, version] = target.segments.as_slice() else { return Ok(None) };
        let version = catalog.model_mut(project, model)?.version_mut(version)?;
        version.state = State::Failed;
        version.error_message = Some(message.to_owned());
        Ok(Some(version.dir.clone()))
    })?;
    if let Some(dir) = cancelled {
        ml.running.abort(&format!("{project}/{id}"));
        call.app.ml.discard(&dir).await;
    }
    Ok(Json(json!({})).into_response())
}

fn name(project: &str, id: &str) -> String {
    format!("projects/{project}/operations/{id}")
}

/// The answer to a request that started an operation.
pub(super) fn started(call: &Call, project: &str, id: &str) -> Result<Response, ApiError> {
    get(call, project, id)
}
