//! Reads what a handler has left of a request.
//!
//! A server that answers and closes while the client still sends makes the
//! client's kernel discard the answer: "412" becomes "connection reset".

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{Stream, StreamExt as _};

use crate::connection::Connection;

/// A client that sends no more does not keep its answer waiting for long.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn drain(request: Request, next: Next) -> Response {
    let left = Arc::new(Mutex::new(None));
    let connection = Connection::of(&request);
    let (parts, body) = request.into_parts();
    if body_is_empty(&body) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let borrowed = Lent { stream: Some(body.into_data_stream()), left: left.clone() };
    let answer = next.run(Request::from_parts(parts, Body::from_stream(borrowed))).await;
    let rest = left.lock().unwrap_or_else(PoisonError::into_inner).take();
    let gone = connection.is_some_and(|connection| connection.is_reset());
    if let Some(mut rest) = rest.filter(|_| !gone) {
        let read = async { while matches!(rest.next().await, Some(Ok(_))) {} };
        let _ = tokio::time::timeout(PATIENCE, read).await;
    }
    answer
}

fn body_is_empty(body: &Body) -> bool {
    axum::body::HttpBody::is_end_stream(body)
}

/// Comes back when the handler drops it before its end.
struct Lent {
    stream: Option<BodyDataStream>,
    left: Arc<Mutex<Option<BodyDataStream>>>,
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let polled = stream.poll_next_unpin(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.stream = None;
        }
        polled
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = self.stream.take();
    }
}
