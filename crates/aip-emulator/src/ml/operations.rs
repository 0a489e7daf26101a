//! Long-running operations.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::task::AbortHandle;

use super::catalog::{Catalog, State, epoch_millis, now};
use super::page::page;
use super::refusal::{no_operation, quota};
use super::router::Call;
use super::{Ml, names};
use crate::error::ApiError;
use crate::runtime::say;

/// Creates and deletes that a project may have under way.
const MAX_RUNNING: usize = 10;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Operation {
    pub metadata: Map<String, Value>,
    pub outcome: Option<Outcome>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Response(Value),
    /// `google.rpc.Status`
    Error {
        code: i32,
        message: String,
    },
}

/// What a delete answers when it is done.
pub(super) fn empty() -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.Empty" })
}

/// `google.rpc.Code`, as operations carry it
pub(super) const CANCELLED: i32 = 1;
pub(super) const FAILED_PRECONDITION: i32 = 9;
const UNAVAILABLE: i32 = 14;

impl Operation {
    pub(super) fn show(&self, name: &str) -> Value {
        let mut shown = json!({ "name": name, "metadata": self.metadata });
        match &self.outcome {
            None => {}
            Some(Outcome::Response(response)) => {
                shown["done"] = true.into();
                shown["response"] = response.clone();
            }
            Some(Outcome::Error { code, message }) => {
                shown["done"] = true.into();
                shown["error"] = json!({ "code": code, "message": message });
            }
        }
        shown
    }

    /// Ends it, unless a cancel was quicker.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.metadata.insert("endTime".to_owned(), now().into());
            self.outcome = Some(outcome);
        }
    }
}

/// What an operation is about.
pub(super) struct Subject<'a> {
    /// `CREATE_VERSION` and so on
    pub kind: &'a str,
    pub project: &'a str,
    pub model: &'a str,
    /// The name and the resource of a version
    pub version: Option<(&'a str, Value)>,
}

impl Catalog {
    /// Enters a new operation and gives its id.
    pub(super) fn begin(&mut self, subject: &Subject) -> Result<String, ApiError> {
        let operations = self.operations(subject.project);
        if operations.values().filter(|one| one.outcome.is_none()).count() >= MAX_RUNNING {
            let text = format!("At most {MAX_RUNNING} operations may run at once in a project.");
            return Err(quota(&text));
        }
        let mut metadata = json!({
            "@type": "type.googleapis.com/google.cloud.ml.v1.OperationMetadata",
            "createTime": now(),
            "operationType": subject.kind,
            "modelName": format!("projects/{}/models/{}", subject.project, subject.model),
        });
        let verb = subject.kind.split('_').next().unwrap_or_default().to_lowercase();
        let mut id = format!("{verb}_{}", subject.model);
        if let Some((name, version)) = &subject.version {
            id = format!("{id}_{name}");
            if let Some(labels) = version.get("labels") {
                metadata["labels"] = labels.clone();
            }
            metadata["version"] = version.clone();
        }
        let id = format!("{id}-{}", epoch_millis());
        let Value::Object(metadata) = metadata else { unreachable!("built as an object") };
        operations.insert(id.clone(), Operation { metadata, outcome: None });
        Ok(id)
    }

    /// Ends what was under way when the emulator stopped.
    pub(super) fn close_interrupted(&mut self) {
        let message = "The emulator was stopped while the operation ran.";
        for project in self.projects.values_mut() {
            for operation in project.operations.values_mut() {
                let message = message.to_owned();
                operation.finish(Outcome::Error { code: UNAVAILABLE, message });
            }
            for model in project.models.values_mut() {
                for version in model.versions.values_mut() {
                    match version.state {
                        State::Creating | State::Deleting => {
                            version.state = State::Failed;
                            version.error_message = Some(message.to_owned());
                        }
                        State::Updating => version.state = State::Ready,
                        State::Ready | State::Failed => {}
                    }
                }
            }
        }
    }
}

/// The tasks behind operations that are not done.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<String, AbortHandle>>);

impl Running {
    fn abort(&self, key: &str) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        if let Some(task) = task {
            task.abort();
        }
    }

    pub(super) fn abort_all(&self) {
        for (_, task) in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            task.abort();
        }
    }
}

impl Ml {
    /// Does an operation's work apart from the request that asked for it.
    pub(super) fn spawn(
        &self,
        project: &str,
        id: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let key = format!("{project}/{id}");
        let ml = self.clone();
        // Held until the handle is in, so that the task's own removal comes after.
        let mut running = self.0.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        let task = tokio::spawn({
            let key = key.clone();
            async move {
                work.await;
                ml.0.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
        });
        running.insert(key, task.abort_handle());
    }

    /// Ends an operation with the change that it made, unless it was cancelled
    /// a moment before.
    pub(super) fn finish(
        &self,
        project: &str,
        id: &str,
        change: impl FnOnce(&mut Catalog) -> Result<Outcome, ApiError>,
    ) {
        let done = self.0.catalog.change(|catalog| {
            if catalog.operations(project).get(id).is_none_or(|one| one.outcome.is_some()) {
                return Ok(());
            }
            let outcome = change(catalog)?;
            if let Some(operation) = catalog.operations(project).get_mut(id) {
                operation.finish(outcome);
            }
            Ok(())
        });
        if let Err(err) = done {
            say(&format!("cannot finish the operation '{id}': {}", err.message()));
        }
    }
}

pub(super) fn get(call: &Call, project: &str, id: &str) -> Result<Response, ApiError> {
    let shown = call.ml().catalog.read(|catalog| {
        let operation = catalog.projects.get(project).and_then(|p| p.operations.get(id));
        operation.map(|operation| operation.show(&name(project, id)))
    });
    Ok(Json(shown.ok_or_else(|| no_operation(id))?).into_response())
}

pub(super) fn list(call: &Call, project: &str) -> Result<Response, ApiError> {
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
        operation.metadata.insert("isCancellationRequested".to_owned(), true.into());
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
