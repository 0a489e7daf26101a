//! Operations, under every path by which clients ask for them.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Vertex;
use super::catalog::Catalog;
use super::list;
use super::names::Place;
use super::operation::Operation;
use super::refusal::{invalid, not_found};
use super::router::Call;
use crate::api::outcome::{CANCELLED, Outcome};
use crate::api::refusal::unimplemented;
use crate::api::schema::seconds;
use crate::error::ApiError;
use crate::say::say;

/// The longest that a wait holds its answer back.
const MAX_WAIT: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(50);

pub(super) fn get(call: &Call, parent: &str, id: &str) -> Result<Response, ApiError> {
    Ok(Json(show(call, parent, id)?).into_response())
}

/// The operation belongs to the resource that the path names; the place alone
/// has them all.
fn show(call: &Call, parent: &str, id: &str) -> Result<Value, ApiError> {
    call.vertex().catalog.read(|catalog| {
        let found = catalog.at(&call.place).and_then(|contents| contents.operations.get(id));
        let found = found.filter(|operation| belongs(operation, parent));
        let missing = || not_found("Operation", &format!("{}/operations/{id}", call.place));
        Ok(found.ok_or_else(missing)?.show(&call.place, id))
    })
}

fn belongs(operation: &Operation, parent: &str) -> bool {
    parent.is_empty() || operation.target == parent
}

pub(super) fn list(call: &Call, parent: &str) -> Result<Response, ApiError> {
    let given = |name, nothing| call.query.get(name).is_some_and(|value| value != nothing);
    if given("filter", "") || given("returnPartialSuccess", "false") {
        return Err(unimplemented("filters for operations, or partial success"));
    }
    let all: Vec<(String, Value)> = call.vertex().catalog.read(|catalog| {
        let contents = catalog.at(&call.place).into_iter();
        let operations = contents.flat_map(|contents| &contents.operations);
        let wanted = operations.filter(|(_, operation)| belongs(operation, parent));
        wanted.map(|(id, one)| (id.clone(), one.show(&call.place, id))).collect()
    });
    Ok(Json(list::page(&call.query, "operations", all)?).into_response())
}

pub(super) async fn wait(call: &Call, parent: &str, id: &str) -> Result<Response, ApiError> {
    let asked = match call.query.get("timeout").map(|text| seconds(text)) {
        None => MAX_WAIT,
        Some(Some(asked)) => asked.min(MAX_WAIT),
        Some(None) => return Err(invalid("Invalid value at 'timeout' (a duration such as 3.5s).")),
    };
    let until = tokio::time::Instant::now() + asked;
    loop {
        let shown = show(call, parent, id)?;
        if shown["done"] == true || tokio::time::Instant::now() >= until {
            return Ok(Json(shown).into_response());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What comes too late is no error.
pub(super) fn cancel(call: &Call, parent: &str, id: &str) -> Result<Response, ApiError> {
    show(call, parent, id)?;
    call.vertex().running.abort(&key(&call.place, id));
    call.app.vertex.finish(&call.place, id, |_| {
        let message = "The operation was cancelled.".to_owned();
        Ok(Outcome::Error { code: CANCELLED, message })
    });
    Ok(Json(json!({})).into_response())
}

pub(super) fn delete(call: &Call, parent: &str, id: &str) -> Result<Response, ApiError> {
    show(call, parent, id)?;
    call.vertex().catalog.change(|catalog| {
        catalog.at_mut(&call.place).operations.remove(id);
        Ok(())
    })?;
    Ok(Json(json!({})).into_response())
}

pub(super) fn key(place: &Place, id: &str) -> String {
    format!("{place}/operations/{id}")
}

impl Vertex {
    /// Does an operation's work apart from the request that asked for it; gives
    /// the answer to that.
    pub(super) fn spawn(
        &self,
        place: &Place,
        id: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Response {
        let shown = self.0.catalog.read(|catalog| {
            let found = catalog.at(place).and_then(|contents| contents.operations.get(id));
            found.map(|operation| operation.show(place, id))
        });
        self.0.running.spawn(&key(place, id), work);
        Json(shown).into_response()
    }

    /// Ends an operation with the change that it made, unless it was cancelled
    /// a moment before. A change that is refused is the operation's error.
    pub(super) fn finish(
        &self,
        place: &Place,
        id: &str,
        change: impl FnOnce(&mut Catalog) -> Result<Outcome, ApiError>,
    ) {
        let done = self.0.catalog.change(|catalog| {
            let is_open = |operation: &Operation| operation.outcome.is_none();
            if !catalog.at_mut(place).operations.get(id).is_some_and(is_open) {
                return Ok(());
            }
            let outcome = change(catalog).unwrap_or_else(|err| Outcome::of(&err));
            if let Some(operation) = catalog.at_mut(place).operations.get_mut(id) {
                operation.finish(outcome);
            }
            Ok(())
        });
        if let Err(err) = done {
            say(&format!("cannot finish the operation '{id}': {}", err.message()));
        }
    }

    /// Says how far an operation is.
    pub(super) fn note(&self, place: &Place, id: &str, field: &str, value: &str) {
        self.0.catalog.touch(|catalog| {
            if let Some(operation) = catalog.at_mut(place).operations.get_mut(id) {
                operation.metadata[field] = value.into();
            }
        });
    }
}

impl Outcome {
    pub(super) fn of(error: &ApiError) -> Self {
        let code = match error.status() {
            Some("INVALID_ARGUMENT") => 3,
            Some("NOT_FOUND") => 5,
            Some("ALREADY_EXISTS") => 6,
            Some("FAILED_PRECONDITION") => 9,
            Some("UNIMPLEMENTED") => 12,
            Some("UNAVAILABLE") => 14,
            _ => 13,
        };
        Self::Error { code, message: error.message().to_owned() }
    }
}
