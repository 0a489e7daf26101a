//! Where faults meet requests.

use std::sync::atomic::Ordering;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use axum::http::response::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::sleep;

use super::instruction::Fault;
use super::{Armed, answer, body, method};
use crate::connection::Connection;
use crate::state::App;

pub(crate) async fn inject(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(method) = method::of(request.method(), request.uri()) else {
        return next.run(request).await;
    };
    let Some(armed) = armed(&app, request.headers(), method) else {
        return next.run(request).await;
    };
    match (armed.instruction.fault, armed.instruction.after) {
        (Fault::BreakStream, after) => break_answer(armed, after.unwrap_or(1), request, next).await,
        (Fault::ShortAnswer, after) => {
            shorten_answer(&armed, after.unwrap_or(1), method, request, next).await
        }
        (Fault::Corrupt, _) => corrupt_answer(&armed, request, next).await,
        (fault, None) => at_once(fault, &armed, method, request, next).await,
        (_, Some(after)) if matches!(method, "storage.objects.insert" | "docker.blobs.upload") => {
            during_upload(armed, after, method, request, next).await
        }
        (_, Some(after)) => break_answer(armed, after, request, next).await,
    }
}

fn armed(app: &App, headers: &HeaderMap, method: &str) -> Option<Armed> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let own = header("x-goog-emulator-instructions");
    let own = own.or_else(|| header("x-goog-testbench-instructions"));
    let own = own.and_then(|text| app.faults.of_header(text, method));
    own.or_else(|| app.faults.next(header("x-retry-test-id"), method))
}

async fn at_once(
    fault: Fault,
    armed: &Armed,
    method: &str,
    request: Request,
    next: Next,
) -> Response {
    if !armed.strike() {
        return next.run(request).await;
    }
    if let Fault::Stall(time) = fault {
        sleep(time).await;
        return next.run(request).await;
    }
    instead(fault, method, Connection::of(&request).as_ref())
}

/// Bytes count from the start of the object, not of the request: "after 256K"
/// strikes once, whichever chunk that falls into.
async fn during_upload(
    armed: Armed,
    after: u64,
    method: &str,
    request: Request,
    next: Next,
) -> Response {
    let Some(left) = after.checked_sub(offset(&request)) else {
        return next.run(request).await;
    };
    let fault = armed.instruction.fault;
    let connection = Connection::of(&request);
    let (parts, content) = request.into_parts();
    let (content, struck) = body::wrap(content, left, armed);
    let answer = next.run(Request::from_parts(parts, content)).await;
    if struck.load(Ordering::SeqCst) && !matches!(fault, Fault::Stall(_)) {
        return instead(fault, method, connection.as_ref());
    }
    answer
}

/// Marks an answer that nobody sees whole.
#[derive(Clone)]
pub(crate) struct Broken;

async fn break_answer(armed: Armed, after: u64, request: Request, next: Next) -> Response {
    let (mut parts, content) = next.run(request).await.into_parts();
    parts.extensions.insert(Broken);
    let (content, _) = body::wrap(content, after, armed);
    Response::from_parts(parts, content)
}

/// Of the request that finishes a resumable upload, and of no other.
async fn shorten_answer(
    armed: &Armed,
    after: u64,
    method: &str,
    request: Request,
    next: Next,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let is_chunk = method == "storage.objects.insert" && query.contains("upload_id=");
    let (parts, content) = next.run(request).await.into_parts();
    let is_last = parts.headers.contains_key(CONTENT_TYPE) && parts.status == StatusCode::OK;
    if !(is_chunk && is_last && armed.strike()) {
        return Response::from_parts(parts, content);
    }
    let length = usize::try_from(after).unwrap_or(usize::MAX);
    changed(parts, content, |bytes| bytes.truncate(length)).await
}

async fn corrupt_answer(armed: &Armed, request: Request, next: Next) -> Response {
    let (parts, content) = next.run(request).await.into_parts();
    if !armed.strike() {
        return Response::from_parts(parts, content);
    }
    changed(parts, content, |bytes| {
        if let Some(first) = bytes.first_mut() {
            *first = if *first == b'A' { b'B' } else { b'A' };
        }
    })
    .await
}

async fn changed(mut parts: Parts, content: Body, change: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut bytes = to_bytes(content, usize::MAX).await.unwrap_or_default().to_vec();
    change(&mut bytes);
    parts.headers.remove(CONTENT_LENGTH);
    parts.extensions.insert(Broken);
    Response::from_parts(parts, Body::from(bytes))
}

fn instead(fault: Fault, method: &str, connection: Option<&Connection>) -> Response {
    match (fault, connection) {
        (Fault::Status(code), _) => answer::refusal(code, method),
        (_, Some(connection)) => {
            connection.reset();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        (_, None) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// `FIRST` of `Content-Range: bytes FIRST-LAST/TOTAL`.
fn offset(request: &Request) -> u64 {
    let range = request.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let first = range.and_then(|r| r.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    first.unwrap_or_default()
}
