//! Blobs on their way out.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::fs::File;

use super::digest::Digest;
use super::error::Refusal;
use super::router::set;
use crate::pieces::{Range, pieces};
use crate::state::App;

/// HEAD as well: the server leaves the body out.
pub(super) async fn get(
    app: &App,
    name: &str,
    digest: &str,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let digest = Digest::parse(digest).ok_or_else(|| Refusal::bad_digest(digest))?;
    if !app.registry.has_blob(name, &digest) {
        return Err(Refusal::no_blob(&digest));
    }
    let file = File::open(app.registry.0.blobs.path(&digest)).await?;
    let size = file.metadata().await?.len();
    let wanted = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let (status, first, length) = match wanted.map_or(Range::All, |r| Range::parse(r.trim(), size))
    {
        Range::All => (StatusCode::OK, 0, size),
        Range::Part { first, length } => (StatusCode::PARTIAL_CONTENT, first, length),
        Range::Outside => return Err(Refusal::bad_range()),
    };
    let mut answer = (status, Body::from_stream(pieces(file, first, length))).into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set(headers, "docker-content-digest", &digest.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{size}", first + length - 1);
        set(headers, CONTENT_RANGE.as_str(), &range);
    }
    Ok(answer)
}
