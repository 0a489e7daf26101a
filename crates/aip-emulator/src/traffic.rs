//! A line of JSON for every request and its answer, so that tests can hold
//! what went over the wire against Google's own description of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, request};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};

/// Longer bodies are content, not messages.
const MAX_BODY: usize = 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Traffic(Arc<Mutex<File>>);

impl Traffic {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    /// A log that cannot be written must not fail the request.
    fn write(&self, line: &Value) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

pub(crate) async fn record(
    State(traffic): State<Traffic>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut line = describe(&parts);
    let seen = Arc::new(Mutex::new(Some(Vec::new())));
    let answer = next.run(Request::from_parts(parts, tee(body, seen.clone()))).await;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    line["requestBody"] = seen.map_or(Value::Null, |bytes| parse(&bytes));
    line["status"] = answer.status().as_u16().into();
    line["responseHeaders"] = headers(answer.headers());
    let (parts, body) = answer.into_parts();
    let message = is_json(&parts.headers) && body.size_hint().exact().is_some();
    let (shown, body) = if message { whole(body).await } else { (Value::Null, body) };
    line["responseBody"] = redact(shown);
    traffic.write(&line);
    Response::from_parts(parts, body)
}

fn describe(parts: &request::Parts) -> Value {
    json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "query": parts.uri.query().unwrap_or_default(),
        "requestHeaders": headers(&parts.headers),
    })
}

/// Keeps a copy of what passes; nothing at all if it is too long.
fn tee(body: Body, copy: Arc<Mutex<Option<Vec<u8>>>>) -> Body {
    Body::new(body.map_frame(move |frame| {
        if let Some(bytes) = frame.data_ref() {
            let mut copy = copy.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(kept) = copy.take_if(|kept| kept.len() + bytes.len() > MAX_BODY) {
                drop(kept);
            }
            if let Some(kept) = copy.as_mut() {
                kept.extend_from_slice(bytes);
            }
        }
        frame
    }))
}

async fn whole(body: Body) -> (Value, Body) {
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => (parse(&bytes), Body::from(bytes)),
        Err(_) => (Value::Null, Body::from(Bytes::new())),
    }
}

fn parse(bytes: &[u8]) -> Value {
    if bytes.len() > MAX_BODY {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

fn headers(headers: &HeaderMap) -> Value {
    let mut shown = Map::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = if name == AUTHORIZATION { "REDACTED".into() } else { text };
        match shown.get_mut(name.as_str()) {
            Some(Value::String(before)) => *before = format!("{before}, {text}"),
            _ => {
                shown.insert(name.to_string(), text.into());
            }
        }
    }
    shown.into()
}

fn redact(mut body: Value) -> Value {
    if let Some(token) = body.get_mut("access_token") {
        *token = "REDACTED".into();
    }
    body
}
