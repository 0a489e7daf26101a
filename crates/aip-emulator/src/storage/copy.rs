//! `storage.objects.copy` and `compose`: new objects from old ones.

use std::fs::{self, File};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::checksum::{Sums, decode_crc32c, encode_crc32c};
use super::name::check_object;
use super::object::{Object, Settings};
use super::params::{Origin, Params, Target, json_object};
use super::precondition::Preconditions;
use super::store::{Content, Store};
use crate::error::ApiError;
use crate::state::App;

const MAX_SOURCES: usize = 32;

#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SourceParams {
    pub(super) source_generation: Option<i64>,
    if_source_generation_match: Option<i64>,
    if_source_generation_not_match: Option<i64>,
    if_source_metageneration_match: Option<i64>,
    if_source_metageneration_not_match: Option<i64>,
}

/// `SOURCE_BUCKET/o/SOURCE/rewriteTo/b/BUCKET/o/OBJECT`
pub(super) type Route = Path<(String, String, String, String)>;

pub(super) async fn copy(
    State(app): State<App>,
    origin: Origin,
    Path(route): Route,
    Params(source): Params<SourceParams>,
    Params(conditions): Params<Preconditions>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let object = copy_object(&app.storage, &route, &source, &conditions, &json_object(&body)?)?;
    Ok(Json(object.resource(&origin)))
}

pub(super) fn copy_object(
    store: &Store,
    (from_bucket, from, bucket, name): &(String, String, String, String),
    params: &SourceParams,
    conditions: &Preconditions,
    fields: &Map<String, Value>,
) -> Result<Arc<Object>, ApiError> {
    check_object(name)?;
    let (source, _) = store.open_object(from_bucket, from, params.source_generation)?;
    params.conditions().check(Some(&source))?;
    // No settings in the request means: as the source has them
    let given = Settings::from_json(fields)?;
    let settings = if given == Settings::default() { source.settings.clone() } else { given };
    share(store, &source, bucket, name, settings, conditions)
}

/// Makes an object with the content of another. Content is never changed in
/// place, so the two can have it in common.
pub(super) fn share(
    store: &Store,
    source: &Object,
    bucket: &str,
    name: &str,
    settings: Settings,
    conditions: &Preconditions,
) -> Result<Arc<Object>, ApiError> {
    let (_, path) = store.incoming()?;
    fs::remove_file(&path)?;
    fs::hard_link(store.content(source), &path)?;
    let content = Content {
        path,
        size: source.size,
        sums: Sums { crc32c: source.crc32c.clone(), md5: source.md5.get().cloned() },
        component_count: source.component_count,
    };
    store.put(bucket, name, settings, content, conditions)
}

impl SourceParams {
    pub(super) fn conditions(&self) -> Preconditions {
        Preconditions {
            generation: self.if_source_generation_match,
            not_generation: self.if_source_generation_not_match,
            metageneration: self.if_source_metageneration_match,
            not_metageneration: self.if_source_metageneration_not_match,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ComposeBody {
    #[serde(default)]
    source_objects: Vec<SourceObject>,
    #[serde(default)]
    destination: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceObject {
    name: String,
    /// A number or, as Google's own resources have it, a string
    generation: Option<Value>,
    #[serde(default)]
    object_preconditions: Map<String, Value>,
}

pub(super) async fn compose(
    State(app): State<App>,
    origin: Origin,
    Target { bucket, object }: Target,
    Params(conditions): Params<Preconditions>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let composed = tokio::task::spawn_blocking(move || {
        compose_object(&app.storage, &bucket, &object, &conditions, &body)
    });
    let object = composed.await.map_err(|err| {
        ApiError::storage(500, "backendError", format!("The composition failed: {err}"))
    })??;
    Ok(Json(object.resource(&origin)))
}

fn compose_object(
    store: &Store,
    bucket: &str,
    name: &str,
    conditions: &Preconditions,
    body: &[u8],
) -> Result<Arc<Object>, ApiError> {
    let body: ComposeBody = serde_json::from_value(Value::Object(json_object(body)?))
        .map_err(|err| ApiError::storage(400, "invalid", format!("Invalid value: {err}")))?;
    check_sources(&body.source_objects)?;
    store.check(bucket, name, conditions)?;
    let (mut file, path) = store.incoming()?;
    let (mut size, mut crc32c, mut components) = (0, 0, 0);
    let mut settings = Settings::from_json(&body.destination)?;
    for source in &body.source_objects {
        let (part, mut content) = source.open(store, bucket)?;
        std::io::copy(&mut content, &mut file)?;
        let length = usize::try_from(part.size).unwrap_or(usize::MAX);
        let sum = decode_crc32c(&part.crc32c).unwrap_or_default();
        crc32c = crc32c::crc32c_combine(crc32c, sum, length);
        size += part.size;
        components += part.component_count.unwrap_or(1);
        settings.content_type = settings.content_type.or(part.settings.content_type.clone());
    }
    let sums = Sums { crc32c: encode_crc32c(crc32c), md5: None };
    let content = Content { path, size, sums, component_count: Some(components) };
    store.put(bucket, name, settings, content, conditions)
}

fn check_sources(sources: &[SourceObject]) -> Result<(), ApiError> {
    if sources.is_empty() {
        let message = "You must provide at least one source component.";
        return Err(ApiError::storage(400, "required", message));
    }
    if sources.len() > MAX_SOURCES {
        let message = format!(
            "The number of source components provided ({}) exceeds the maximum ({MAX_SOURCES})",
            sources.len()
        );
        return Err(ApiError::storage(400, "invalid", message));
    }
    Ok(())
}

impl SourceObject {
    fn open(&self, store: &Store, bucket: &str) -> Result<(Arc<Object>, File), ApiError> {
        let generation = integer(self.generation.as_ref())?;
        let conditions = Preconditions {
            generation: integer(self.object_preconditions.get("ifGenerationMatch"))?,
            ..Preconditions::default()
        };
        let opened = store.open_object(bucket, &self.name, generation);
        let (object, file) = opened.map_err(|err| match err.code() {
            404 => {
                let generation = generation.unwrap_or_default();
                let message = format!("Object {} (generation: {generation}) not found.", self.name);
                ApiError::storage(404, "notFound", message)
            }
            _ => err,
        })?;
        conditions.check(Some(&object))?;
        Ok((object, file))
    }
}

fn integer(value: Option<&Value>) -> Result<Option<i64>, ApiError> {
    let parsed = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_i64(),
    };
    let message = "Invalid value for: a generation";
    parsed.map(Some).ok_or_else(|| ApiError::storage(400, "invalid", message))
}
