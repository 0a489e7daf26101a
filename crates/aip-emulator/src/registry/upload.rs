//! Blobs on their way in: one POST that opens a session, one PUT that brings
//! the content whole.
//!
//! Artifact Registry has no chunked uploads, and so PATCH is refused. docker
//! and skopeo send a blob in a single PATCH without a range ("streamed"), for
//! which there is an option.

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::header::{CONTENT_RANGE, LOCATION, RANGE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::blobs::Incoming;
use super::digest::Digest;
use super::error::Refusal;
use super::router::set;
use super::target::UPLOADS;
use crate::state::App;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    mount: Option<String>,
    from: Option<String>,
    digest: Option<String>,
}

impl Params {
    fn of(uri: &Uri) -> Self {
        Query::<Self>::try_from_uri(uri).map(|Query(params)| params).unwrap_or_default()
    }
}

/// Mounts a blob of another repository, takes a blob at once, or opens a
/// session.
pub(super) async fn begin(app: &App, name: &str, request: Request) -> Result<Response, Refusal> {
    let params = Params::of(request.uri());
    if let (Some(mount), Some(from)) = (&params.mount, &params.from) {
        let digest = parse(mount)?;
        if app.registry.has_blob(from, &digest) {
            app.registry.link_blob(name, &digest)?;
            return Ok(created(name, &digest));
        }
    }
    let mut incoming = app.registry.0.blobs.incoming()?;
    if let Some(digest) = &params.digest {
        let digest = parse(digest)?;
        fill(&mut incoming, request.into_body()).await?;
        return keep(app, name, incoming, &digest);
    }
    let id = app.registry.0.sessions.begin(name, incoming);
    Ok(accepted(name, &id, 0))
}

pub(super) fn status(app: &App, name: &str, id: &str) -> Result<Response, Refusal> {
    check_open(app, name, id)?;
    let mut answer = accepted(name, id, app.registry.0.sessions.size(id));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

/// The content in one piece, before the PUT that ends the session.
pub(super) async fn patch(
    app: &App,
    name: &str,
    id: &str,
    request: Request,
) -> Result<Response, Refusal> {
    let is_chunk = request.headers().contains_key(CONTENT_RANGE);
    let sessions = &app.registry.0.sessions;
    if is_chunk || !app.options.streamed_uploads || sessions.size(id) > 0 {
        let message = "Chunked uploads are not supported: send the blob in the PUT that ends its \
                       session.";
        return Err(Refusal::unsupported(message));
    }
    check_open(app, name, id)?;
    let mut incoming = content(app, id)?;
    fill(&mut incoming, request.into_body()).await?;
    let size = incoming.size();
    sessions.put_content(id, incoming);
    Ok(accepted(name, id, size))
}

/// A session whose request broke off can be used again; one whose content was
/// not what it should be, not.
pub(super) async fn put(
    app: &App,
    name: &str,
    id: &str,
    request: Request,
) -> Result<Response, Refusal> {
    check_open(app, name, id)?;
    let digest = Params::of(request.uri()).digest.unwrap_or_default();
    let digest = parse(&digest)?;
    let mut incoming = content(app, id)?;
    fill(&mut incoming, request.into_body()).await?;
    app.registry.0.sessions.end(id);
    keep(app, name, incoming, &digest)
}

pub(super) fn cancel(app: &App, name: &str, id: &str) -> Result<Response, Refusal> {
    check_open(app, name, id)?;
    app.registry.0.sessions.end(id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check_open(app: &App, name: &str, id: &str) -> Result<(), Refusal> {
    let is_open = app.registry.0.sessions.is_open(name, id);
    is_open.then_some(()).ok_or_else(Refusal::no_upload)
}

fn content(app: &App, id: &str) -> Result<Incoming, Refusal> {
    match app.registry.0.sessions.take_content(id) {
        Some(content) => Ok(content),
        None => Ok(app.registry.0.blobs.incoming()?),
    }
}

async fn fill(incoming: &mut Incoming, body: Body) -> Result<(), Refusal> {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let broken = |err| Refusal::bad_upload(format!("the request's body broke off: {err}"));
        incoming.write(&piece.map_err(broken)?)?;
    }
    Ok(())
}

fn keep(app: &App, name: &str, incoming: Incoming, wanted: &Digest) -> Result<Response, Refusal> {
    let arrived = incoming.finish();
    if arrived.digest != *wanted {
        return Err(Refusal::other_digest(&arrived.digest, wanted));
    }
    app.registry.0.blobs.keep(arrived)?;
    app.registry.link_blob(name, wanted)?;
    Ok(created(name, wanted))
}

fn parse(digest: &str) -> Result<Digest, Refusal> {
    Digest::parse(digest).ok_or_else(|| Refusal::bad_digest(digest))
}

fn created(name: &str, digest: &Digest) -> Response {
    let mut answer = StatusCode::CREATED.into_response();
    let headers = answer.headers_mut();
    set(headers, LOCATION.as_str(), &format!("/v2/{name}/blobs/{digest}"));
    set(headers, "docker-content-digest", &digest.to_string());
    answer
}

fn accepted(name: &str, id: &str, size: u64) -> Response {
    let mut answer = StatusCode::ACCEPTED.into_response();
    let headers = answer.headers_mut();
    set(headers, LOCATION.as_str(), &format!("{UPLOADS}{name}/uploads/{id}"));
    set(headers, RANGE.as_str(), &format!("0-{}", size.saturating_sub(1)));
    set(headers, "docker-upload-uuid", id);
    answer
}
