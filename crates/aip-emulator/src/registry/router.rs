//! From a request to what it means.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;

use super::error::Refusal;
use super::target::{Target, UPLOADS};
use super::{auth, blob, manifests, name, tags, upload};
use crate::state::App;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/v2", any(dispatch))
        .route("/v2/", any(dispatch))
        .route("/v2/{*path}", any(dispatch))
        .route(&format!("{UPLOADS}{{*path}}"), any(dispatch))
}

async fn dispatch(State(app): State<App>, request: Request) -> Response {
    let mut answer = match route(&app, request).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_response(),
    };
    let version = HeaderName::from_static("docker-distribution-api-version");
    answer.headers_mut().insert(version, HeaderValue::from_static("registry/2.0"));
    answer
}

async fn route(app: &App, request: Request) -> Result<Response, Refusal> {
    let target = Target::parse(request.uri().path()).ok_or_else(Refusal::not_found)?;
    if target == Target::Token {
        return auth::token(request).await;
    }
    if app.options.require_token && !auth::is_known(request.headers()) {
        return Ok(auth::challenge(&app.registry, &target, request.method()));
    }
    if let Some(bad) = target.name().filter(|name| !name::is_repository(name)) {
        return Err(Refusal::bad_name(bad));
    }
    let method = request.method().clone();
    match (target, method) {
        (Target::Base, Method::GET | Method::HEAD) => {
            Ok(axum::Json(serde_json::json!({})).into_response())
        }
        (Target::Blob { name, digest }, Method::GET | Method::HEAD) => {
            blob::get(app, &name, &digest, request.headers()).await
        }
        (Target::Uploads { name }, Method::POST) => upload::begin(app, &name, request).await,
        (Target::Upload { name, id }, Method::GET) => upload::status(app, &name, &id),
        (Target::Upload { name, id }, Method::PATCH) => {
            upload::patch(app, &name, &id, request).await
        }
        (Target::Upload { name, id }, Method::PUT) => upload::put(app, &name, &id, request).await,
        (Target::Upload { name, id }, Method::DELETE) => upload::cancel(app, &name, &id),
        (Target::Manifest { name, reference }, Method::GET | Method::HEAD) => {
            manifests::get(app, &name, &reference)
        }
        (Target::Manifest { name, reference }, Method::PUT) => {
            manifests::put(app, &name, &reference, request).await
        }
        (Target::Manifest { name, reference }, Method::DELETE) => {
            manifests::delete(app, &name, &reference)
        }
        (Target::Tags { name }, Method::GET) => tags::list(app, &name, request.uri()),
        _ => Err(Refusal::unsupported("The operation is unsupported.")),
    }
}

/// A value that cannot be a header is left out.
pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
