//! Where faults meet requests.

use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_RANGE;
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
    let header = request.headers().get("x-retry-test-id").and_then(|id| id.to_str().ok());
    let Some(armed) = app.faults.next(header, method) else {
        return next.run(request).await;
    };
    match (armed.instruction.fault, armed.instruction.after) {
        (Fault::BreakStream, after) => break_answer(armed, after.unwrap_or(1), request, next).await,
        (fault, None) => at_once(fault, &armed, method, request, next).await,
        (_, Some(after)) if matches!(method, "storage.objects.insert" | "docker.blobs.upload") => {
            during_upload(armed, after, method, request, next).await
        }
        (_, Some(after)) => break_answer(armed, after, request, next).await,
    }
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

async fn break_answer(armed: Armed, after: u64, request: Request, next: Next) -> Response {
    let (parts, content) = next.run(request).await.into_parts();
    let (content, _) = body::wrap(content, after, armed);
    Response::from_parts(parts, content)
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
