//! Manifests over the wire.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse as _, Response};

use super::digest::Digest;
use super::error::Refusal;
use super::name::is_tag;
use super::router::set;
use crate::state::App;

/// As long as the specification lets clients count on.
const MAX_MANIFEST: usize = 4 << 20;

/// HEAD as well: the server leaves the body out.
pub(super) fn get(app: &App, name: &str, wanted: &str) -> Result<Response, Refusal> {
    check_reference(wanted)?;
    let stored = app.registry.manifest(name, wanted)?;
    let mut answer = Body::from(stored.content).into_response();
    set(answer.headers_mut(), CONTENT_TYPE.as_str(), &stored.media_type);
    set(answer.headers_mut(), "docker-content-digest", &stored.digest.to_string());
    Ok(answer)
}

pub(super) async fn put(
    app: &App,
    name: &str,
    wanted: &str,
    request: Request,
) -> Result<Response, Refusal> {
    check_reference(wanted)?;
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let content = to_bytes(request.into_body(), MAX_MANIFEST).await;
    let content = content.map_err(|_| Refusal::too_large())?;
    let tag = match Digest::parse(wanted) {
        Some(wanted) => {
            let got = Digest::of(&content);
            if got != wanted {
                return Err(Refusal::other_digest(&got, &wanted));
            }
            None
        }
        None => Some(wanted),
    };
    let digest = app.registry.put_manifest(name, tag, &kind, &content)?;
    let mut answer = StatusCode::CREATED.into_response();
    set(answer.headers_mut(), LOCATION.as_str(), &format!("/v2/{name}/manifests/{digest}"));
    set(answer.headers_mut(), "docker-content-digest", &digest.to_string());
    Ok(answer)
}

pub(super) fn delete(app: &App, name: &str, wanted: &str) -> Result<Response, Refusal> {
    check_reference(wanted)?;
    app.registry.manifest(name, wanted)?;
    app.registry.change(name, |repository| repository.remove(wanted))?;
    Ok(StatusCode::ACCEPTED.into_response())
}

fn check_reference(wanted: &str) -> Result<(), Refusal> {
    let is_one = Digest::parse(wanted).is_some() || is_tag(wanted);
    is_one.then_some(()).ok_or_else(|| Refusal::bad_tag(wanted))
}
