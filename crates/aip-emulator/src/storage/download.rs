//! An object's content.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING,
    CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE,
    WARNING,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::object::Object;
use super::objects::ObjectParams;
use super::params::{Params, Target};
use super::precondition::Preconditions;
use super::transcode;
use crate::error::ApiError;
use crate::pieces::{Range, pieces};
use crate::state::App;

/// `/download/storage/v1/…`: media, whatever `alt` says.
pub(super) async fn get(
    State(app): State<App>,
    target: Target,
    Params(params): Params<ObjectParams>,
    Params(conditions): Params<Preconditions>,
    headers: HeaderMap,
) -> Response {
    media(&app, &target, params.generation, &conditions, &headers)
}

/// Who asks for content gets refusals as text as well.
pub(super) fn media(
    app: &App,
    target: &Target,
    generation: Option<i64>,
    conditions: &Preconditions,
    headers: &HeaderMap,
) -> Response {
    content(app, target, generation, conditions, headers).unwrap_or_else(|err| {
        let status = StatusCode::from_u16(err.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status == StatusCode::NOT_MODIFIED {
            return status.into_response();
        }
        (status, err.message().to_owned()).into_response()
    })
}

fn content(
    app: &App,
    Target { bucket, object }: &Target,
    generation: Option<i64>,
    conditions: &Preconditions,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let (object, file) = app.storage.open_object(bucket, object, generation)?;
    conditions.check_read(&object)?;
    Preconditions::check_etags(headers, &object)?;
    // What is known is shown, and after this it is.
    app.storage.md5(&object);
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if transcode::applies(&object, header(ACCEPT_ENCODING)) {
        return Ok(transcoded(&object, file));
    }
    let range = header(RANGE).map_or(Range::All, |range| Range::parse(range.trim(), object.size));
    let (status, first, length) = match range {
        Range::All => (StatusCode::OK, 0, object.size),
        Range::Part { first, length } => (StatusCode::PARTIAL_CONTENT, first, length),
        Range::Outside => return Ok(outside(&object)),
    };
    let body = Body::from_stream(pieces(file.into(), first, length));
    let mut answer = (status, body).into_response();
    let headers = answer.headers_mut();
    describe(&object, headers);
    headers.insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{}", first + length - 1, object.size);
        set(headers, CONTENT_RANGE, &range);
    }
    Ok(answer)
}

/// Ranges are of what is stored, and so are ignored here.
fn transcoded(object: &Object, file: std::fs::File) -> Response {
    let mut answer = transcode::unpack(file).into_response();
    let headers = answer.headers_mut();
    describe(object, headers);
    headers.remove(CONTENT_ENCODING);
    headers.remove(ACCEPT_RANGES);
    set(headers, WARNING, "214 UploadServer gunzipped");
    answer
}

fn outside(object: &Object) -> Response {
    let error =
        ApiError::storage(416, "requestedRangeNotSatisfiable", "Request range not satisfiable");
    let mut answer = error.at("header", "Range").into_response();
    set(answer.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", object.size));
    answer
}

fn describe(object: &Object, headers: &mut HeaderMap) {
    let hash = match object.md5.get() {
        Some(md5) => format!("crc32c={},md5={md5}", object.crc32c),
        None => format!("crc32c={}", object.crc32c),
    };
    let settings = &object.settings;
    let encoding = settings.content_encoding.as_deref();
    let or = |value: &Option<String>, default: &str| value.as_deref().unwrap_or(default).to_owned();
    let name = HeaderName::from_static;
    set(headers, CONTENT_TYPE, &or(&settings.content_type, "application/octet-stream"));
    set(headers, ACCEPT_RANGES, "bytes");
    set(headers, ETAG, &object.etag());
    set(headers, name("x-goog-hash"), &hash);
    set(headers, name("x-goog-generation"), &object.generation.to_string());
    set(headers, name("x-goog-metageneration"), &object.metageneration.to_string());
    set(headers, name("x-goog-stored-content-length"), &object.size.to_string());
    set(headers, name("x-goog-stored-content-encoding"), encoding.unwrap_or("identity"));
    set(headers, name("x-goog-storage-class"), &or(&settings.storage_class, "STANDARD"));
    if let Ok(updated) = humantime::parse_rfc3339(&object.updated) {
        set(headers, LAST_MODIFIED, &httpdate::fmt_http_date(updated));
    }
    let optional = [
        (CONTENT_ENCODING, &settings.content_encoding),
        (CONTENT_DISPOSITION, &settings.content_disposition),
        (CONTENT_LANGUAGE, &settings.content_language),
        (CACHE_CONTROL, &settings.cache_control),
    ];
    for (header, value) in optional {
        if let Some(value) = value {
            set(headers, header, value);
        }
    }
}

/// A value that cannot be a header (a line break in a user's metadata) is
/// left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
