//! A line of JSON for every request and its answer, so that tests can hold
//! what went over the wire against Google's own description of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Query, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, request};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::connection::Connection;
use crate::faults::Broken;
use crate::registry;
use crate::storage::{boundary, first_part};

/// Longer bodies are content, not messages.
const MAX_BODY: usize = 1024 * 1024;

/// Of a body that begins with a message, this much is looked at: the 8 KiB that
/// the service allows an object's own metadata are 24 where they are escaped.
const MAX_BEGINNING: usize = 32 * 1024;

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
    let connection = Connection::of(&request);
    let (parts, body) = request.into_parts();
    let mut line = describe(&parts);
    let kind = Kind::of(&parts);
    let seen = Seen::default();
    let received = Arc::new(AtomicU64::new(0));
    let body = counted(body, received.clone());
    let body = match kind {
        Kind::Message => tee(body, seen.clone(), MAX_BODY + 1),
        Kind::MessageAndContent(_) => tee(body, seen.clone(), MAX_BEGINNING),
        Kind::Content => body,
    };
    let answer = next.run(Request::from_parts(parts, body)).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    line["requestBody"] = message(&kind, seen).await;
    line["requestBytes"] = received.load(Ordering::Relaxed).into();
    let is_reset = connection.is_some_and(|connection| connection.is_reset());
    // Nobody sees it whole.
    line["lost"] = (is_reset || answer.extensions().get::<Broken>().is_some()).into();
    line["status"] = answer.status().as_u16().into();
    line["responseHeaders"] = headers(answer.headers());
    let (parts, body) = answer.into_parts();
    let is_message = is_json(&parts.headers) && body.size_hint().exact().is_some();
    let (shown, body) = if is_message { whole(body).await } else { (Value::Null, body) };
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

/// What the body of a request is.
#[derive(PartialEq, Eq)]
enum Kind {
    Message,
    /// `multipart/related` with this boundary: a message, then content
    MessageAndContent(String),
    /// Content, even if it happens to be JSON
    Content,
}

impl Kind {
    fn of(parts: &request::Parts) -> Self {
        if registry::is_content(parts.uri.path()) {
            return Self::Content;
        }
        if !["/upload/", "/resumable/"].iter().any(|root| parts.uri.path().starts_with(root)) {
            return Self::Message;
        }
        let Ok(Query(upload)) = Query::<UploadParams>::try_from_uri(&parts.uri) else {
            return Self::Content;
        };
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match (upload.upload_id, upload.upload_type.as_str()) {
            (None, "resumable") => Self::Message,
            (None, "multipart") => content_type
                .and_then(boundary)
                .map_or(Self::Content, |found| Self::MessageAndContent(found.to_owned())),
            _ => Self::Content,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UploadParams {
    #[serde(rename = "uploadType")]
    upload_type: String,
    upload_id: Option<String>,
}

/// The beginning of a body.
type Seen = Arc<Mutex<Vec<u8>>>;

/// How much of a body came, which is not what it promised where it broke off.
fn counted(body: Body, received: Arc<AtomicU64>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(body.map_frame(move |frame| {
        let length = frame.data_ref().map_or(0, Bytes::len);
        received.fetch_add(length as u64, Ordering::Relaxed);
        frame
    }))
}

/// Up to `most` bytes of the body are `seen`.
fn tee(body: Body, seen: Seen, most: usize) -> Body {
    Body::new(body.map_frame(move |frame| {
        if let Some(bytes) = frame.data_ref() {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let room = (most - seen.len()).min(bytes.len());
            seen.extend_from_slice(&bytes[..room]);
        }
        frame
    }))
}

async fn message(kind: &Kind, seen: Vec<u8>) -> Value {
    match kind {
        Kind::Message => parse(&seen),
        Kind::MessageAndContent(boundary) => {
            parse(&first_part(seen, boundary).await.unwrap_or_default())
        }
        Kind::Content => Value::Null,
    }
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
    for name in ["access_token", "token"] {
        if let Some(token) = body.get_mut(name) {
            *token = "REDACTED".into();
        }
    }
    body
}
