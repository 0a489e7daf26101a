//! `storage.objects.insert`: in one request (media, multipart), or the start
//! of a resumable session.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::checksum::Expected;
use super::content::{Pieces, Writer};
use super::multipart::{Multipart, boundary};
use super::name::check_object;
use super::object::Settings;
use super::params::{Origin, Params, json_object};
use super::precondition::Preconditions;
use super::resumable;
use crate::error::ApiError;
use crate::state::App;

/// More than any object's metadata.
const MAX_METADATA: usize = 1024 * 1024;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct UploadParams {
    #[serde(rename = "uploadType")]
    upload_type: String,
    name: Option<String>,
    #[serde(rename = "contentEncoding")]
    content_encoding: Option<String>,
    upload_id: Option<String>,
}

/// What is known of an object before its content.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) bucket: String,
    pub(super) name: String,
    pub(super) settings: Settings,
    /// Whether the answer will show it
    pub(super) with_md5: bool,
    /// From headers, the metadata and what follows the media: all must hold
    pub(super) expected: Vec<Expected>,
    pub(super) conditions: Preconditions,
}

#[expect(clippy::too_many_arguments, reason = "extractors: a request has many parts")]
pub(super) async fn handle(
    State(app): State<App>,
    origin: Origin,
    Path(bucket): Path<String>,
    Params(params): Params<UploadParams>,
    Params(conditions): Params<Preconditions>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(id) = &params.upload_id {
        return resumable::request(&app, &origin, id, &method, &headers, body).await;
    }
    if method != Method::POST {
        return Err(ApiError::storage(400, "required", "Required parameter: upload_id"));
    }
    let draft = Draft {
        with_md5: origin.shows_md5,
        name: params.name.clone().unwrap_or_default(),
        settings: Settings { content_encoding: params.content_encoding, ..Settings::default() },
        bucket,
        expected: vec![Expected::from_headers(&headers)?],
        conditions,
    };
    match params.upload_type.as_str() {
        "media" => media(&app, &origin, draft, &headers, body).await,
        "multipart" => multipart(&app, &origin, draft, &headers, body).await,
        "resumable" => {
            let path = format!("{}{}", origin.url, uri.path());
            let address = resumable::address(&path, uri.query().unwrap_or_default());
            resumable::start(&app, &address, draft, &headers, body).await
        }
        other => {
            let message = format!("Invalid value for uploadType: '{other}'");
            Err(ApiError::storage(400, "invalid", message).at("parameter", "uploadType"))
        }
    }
}

async fn media(
    app: &App,
    origin: &Origin,
    mut draft: Draft,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    draft.settings.content_type = header(headers, CONTENT_TYPE.as_str());
    draft.check(app)?;
    let mut writer = Writer::new(&app.storage, draft.with_md5)?;
    let mut pieces = Pieces::new(body);
    while let Some(piece) = pieces.next().await? {
        writer.write(&piece)?;
    }
    draft.put(app, origin, writer)
}

async fn multipart(
    app: &App,
    origin: &Origin,
    mut draft: Draft,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let malformed = |message: &str| ApiError::storage(400, "badRequest", message);
    let content_type = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let boundary = boundary(&content_type)
        .ok_or_else(|| malformed("The Content-Type must be multipart/related with a boundary."))?;
    let mut parts = Multipart::new(Pieces::new(body), boundary);
    parts.next_part().await?.ok_or_else(|| malformed("The metadata part is missing."))?;
    draft.describe(&parts.small_content(MAX_METADATA).await?)?;
    draft.check(app)?;

    let media_type =
        parts.next_part().await?.ok_or_else(|| malformed("The media part is missing."))?;
    if draft.settings.content_type.is_none() && !media_type.is_empty() {
        draft.settings.content_type = Some(media_type);
    }
    let mut writer = Writer::new(&app.storage, draft.with_md5)?;
    while let Some(piece) = parts.content().await? {
        writer.write(&piece)?;
    }
    // Checksums known only after the media come in a part of their own
    if parts.next_part().await?.is_some() {
        let part = parts.small_content(MAX_METADATA).await?;
        draft.expect(json_object(&part)?)?;
        if parts.next_part().await?.is_some() {
            return Err(malformed("There are more than three parts."));
        }
    }
    parts.drain().await?;
    draft.put(app, origin, writer)
}

impl Draft {
    /// Takes up the object's metadata; a name in the URL comes first.
    pub(super) fn describe(&mut self, json: &[u8]) -> Result<(), ApiError> {
        let fields = json_object(json)?;
        if self.name.is_empty() {
            fields
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .clone_into(&mut self.name);
        }
        if fields.get("bucket").is_some_and(|bucket| *bucket != self.bucket.as_str()) {
            let message = "The bucket in the metadata is not the bucket of the URL.";
            return Err(ApiError::storage(400, "invalid", message).at("parameter", "bucket"));
        }
        let encoding = self.settings.content_encoding.take();
        self.settings = Settings::from_json(&fields)?;
        self.settings.content_encoding = encoding.or(self.settings.content_encoding.take());
        self.expect(fields)
    }

    fn expect(&mut self, fields: Map<String, Value>) -> Result<(), ApiError> {
        let expected = serde_json::from_value(Value::Object(fields))
            .map_err(|err| ApiError::storage(400, "invalid", format!("Invalid value: {err}")))?;
        self.expected.push(expected);
        Ok(())
    }

    /// What can be refused before the content comes.
    pub(super) fn check(&self, app: &App) -> Result<(), ApiError> {
        check_object(&self.name)?;
        app.storage.check(&self.bucket, &self.name, &self.conditions)
    }

    fn put(self, app: &App, origin: &Origin, writer: Writer) -> Result<Response, ApiError> {
        let content = writer.finish(&self.expected)?;
        let Self { bucket, name, settings, conditions, .. } = self;
        let object = app.storage.put(&bucket, &name, settings, content, &conditions)?;
        Ok(Json(object.resource(origin)).into_response())
    }
}

pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
