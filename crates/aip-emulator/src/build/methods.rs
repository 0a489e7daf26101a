//! The methods of the API.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Builds;
use super::path::{Target, What};
use super::record::{End, Record};
use super::{request, substitution};
use crate::api::project::number;
use crate::api::query;
use crate::api::refusal::{malformed, unimplemented};
use crate::api::stamp::etag;
use crate::error::ApiError;
use crate::state::App;

const MAX_BODY: usize = 4 << 20;

/// Answers what is asked of Cloud Build; the rest is for the services that
/// share its paths.
pub(crate) async fn intercept(State(app): State<App>, request: Request, next: Next) -> Response {
    match Target::parse(request.uri().path()) {
        Some(target) => match dispatch(&app, &target, request).await {
            Ok(answer) => Json(answer).into_response(),
            Err(err) => err.into_response(),
        },
        None => next.run(request).await,
    }
}

async fn dispatch(app: &App, target: &Target, request: Request) -> Result<Value, ApiError> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await;
    let body = body.map_err(|_| malformed("The request's body is too large, or broke off."))?;
    let own: &[&str] = match (&parts.method, &target.what) {
        (&Method::GET, What::Builds) => &["filter", "pageSize", "pageToken", "parent", "projectId"],
        (_, What::Builds) => &["parent", "projectId"],
        (_, What::Build { .. }) => &["name", "id", "projectId"],
        (_, What::Operation { .. }) => &[],
    };
    let query = query::read(&parts.uri, own)?;
    let builds = &app.builds;
    match (&parts.method, &target.what) {
        (&Method::POST, What::Builds) => create(app, target, &body),
        (&Method::GET, What::Builds) => request::list(&query, builds.all(target)),
        (&Method::GET, What::Build { id, verb }) if verb.is_empty() => {
            builds.find(target, id).map(|record| record.build.into())
        }
        (&Method::POST, What::Build { id, verb }) if verb == "cancel" => {
            builds.cancel(target, id).map(|record| record.build.into())
        }
        (&Method::GET, What::Operation { id, verb }) if verb.is_empty() => {
            builds.find(target, id).map(|record| record.operation())
        }
        (&Method::POST, What::Operation { id, verb }) if verb == "cancel" => {
            builds.cancel(target, id).map(|_| json!({}))
        }
        (_, What::Build { verb, .. }) if ["approve", "retry"].contains(&verb.as_str()) => {
            Err(unimplemented(&format!("'{verb}' of builds")))
        }
        _ => Err(ApiError::new(404, "NOT_FOUND", "Method not found.")),
    }
}

fn create(app: &App, target: &Target, body: &[u8]) -> Result<Value, ApiError> {
    let mut wanted = request::read(body)?;
    let id = new_id();
    let built_in = substitution::BuiltIn {
        project: &target.project,
        project_number: &number(&target.project),
        location: &target.location,
        build: &id,
    };
    substitution::apply(&mut wanted, &built_in).map_err(|why| request::invalid(&why))?;
    let record = Record::new(&target.project, &target.location, &id, wanted.clone());
    let shown = record.operation();
    app.builds.0.catalog.change(|catalog| {
        catalog.insert(id.clone(), record);
        Ok(())
    })?;
    app.builds.begin(&id, wanted, app.storage.clone(), app.registry.clone());
    Ok(shown)
}

impl Builds {
    fn find(&self, target: &Target, id: &str) -> Result<Record, ApiError> {
        let found = self.0.catalog.read(|catalog| catalog.get(id).cloned());
        let found = found.filter(|record| is_at(record, target));
        found.ok_or_else(|| ApiError::new(404, "NOT_FOUND", "Requested entity was not found."))
    }

    /// The latest first.
    fn all(&self, target: &Target) -> Vec<Record> {
        let mut all: Vec<Record> = self.0.catalog.read(|catalog| {
            catalog.values().filter(|record| is_at(record, target)).cloned().collect()
        });
        all.sort_by_key(|record| std::cmp::Reverse(record.serial));
        all
    }

    fn cancel(&self, target: &Target, id: &str) -> Result<Record, ApiError> {
        let record = self.find(target, id)?;
        if record.is_done() {
            let text = format!("Cannot cancel a build of status {}.", record.text("status"));
            return Err(ApiError::new(400, "FAILED_PRECONDITION", text));
        }
        self.0.running.abort(id);
        self.change(id, |record| record.finish(End::Cancelled));
        self.find(target, id)
    }
}

/// A project has an id and a number.
fn is_at(record: &Record, target: &Target) -> bool {
    number(&record.project) == number(&target.project) && record.location == target.location
}

/// In the form of a random UUID.
fn new_id() -> String {
    let digest = Sha256::digest(format!("{}{}", etag(), std::process::id()));
    let hex = digest.iter().take(16).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
