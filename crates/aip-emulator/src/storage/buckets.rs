//! `storage.buckets.*`

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::page;
use super::params::{Origin, Params, json_object};
use super::store::{BucketInfo, now};
use crate::error::ApiError;
use crate::state::App;

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct InsertBody {
    name: String,
    location: String,
    storage_class: String,
    labels: BTreeMap<String, String>,
    versioning: Versioning,
    retention_policy: Option<RetentionPolicy>,
}

/// The period is a 64-bit integer, and so a string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetentionPolicy {
    retention_period: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioning {
    enabled: bool,
}

impl Default for InsertBody {
    fn default() -> Self {
        Self {
            name: String::new(),
            location: "US".to_owned(),
            storage_class: "STANDARD".to_owned(),
            labels: BTreeMap::new(),
            versioning: Versioning::default(),
            retention_policy: None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListParams {
    project: Option<String>,
    prefix: String,
    max_results: Option<usize>,
    page_token: String,
}

pub(super) async fn insert(
    State(app): State<App>,
    origin: Origin,
    Params(params): Params<ListParams>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    need_project(&params)?;
    let fields = Value::Object(json_object(&body)?);
    let body: InsertBody = serde_json::from_value(fields)
        .map_err(|err| ApiError::storage(400, "invalid", format!("Invalid value: {err}")))?;
    if body.versioning.enabled {
        let message = "The emulator does not keep old versions of objects.";
        return Err(ApiError::storage(501, "notImplemented", message));
    }
    let seconds = |policy: RetentionPolicy| policy.retention_period.parse().map_err(|_| invalid());
    let info = BucketInfo {
        retention: body.retention_policy.map(seconds).transpose()?,
        name: body.name,
        location: body.location.to_uppercase(),
        storage_class: body.storage_class,
        labels: body.labels,
        created: now(),
    };
    app.storage.insert_bucket(info.clone())?;
    Ok(Json(resource(&info, &origin)))
}

pub(super) async fn list(
    State(app): State<App>,
    origin: Origin,
    Params(params): Params<ListParams>,
) -> Result<Json<Value>, ApiError> {
    need_project(&params)?;
    let (after, size) = (page::after(&params.page_token)?, page::size(params.max_results));
    let mut found = app.storage.buckets(&params.prefix);
    found.retain(|info| after.as_ref().is_none_or(|after| info.name > *after));
    let items: Vec<_> = found.iter().take(size).map(|info| resource(info, &origin)).collect();
    let mut answer = json!({ "kind": "storage#buckets" });
    if found.len() > size {
        answer["nextPageToken"] = page::token(&found[size - 1].name).into();
    }
    if !items.is_empty() {
        answer["items"] = items.into();
    }
    Ok(Json(answer))
}

pub(super) async fn get(
    State(app): State<App>,
    origin: Origin,
    Path(bucket): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(resource(&app.storage.bucket(&bucket)?, &origin)))
}

pub(super) async fn delete(
    State(app): State<App>,
    Path(bucket): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.storage.delete_bucket(&bucket)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asked by gcloud before it decides how to list.
pub(super) async fn storage_layout(
    State(app): State<App>,
    Path(bucket): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let info = app.storage.bucket(&bucket)?;
    Ok(Json(json!({
        "kind": "storage#storageLayout",
        "bucket": info.name,
        "location": info.location,
        "locationType": location_type(&info.location),
        "hierarchicalNamespace": { "enabled": false },
    })))
}

fn invalid() -> ApiError {
    ApiError::storage(400, "invalid", "Invalid value for: retentionPeriod")
}

fn need_project(params: &ListParams) -> Result<(), ApiError> {
    match &params.project {
        Some(_) => Ok(()),
        None => Err(ApiError::storage(400, "required", "Required parameter: project")
            .at("parameter", "project")),
    }
}

fn resource(info: &BucketInfo, Origin { url: origin, .. }: &Origin) -> Value {
    let mut resource = json!({
        "kind": "storage#bucket",
        "id": info.name,
        "name": info.name,
        "selfLink": format!("{origin}/storage/v1/b/{}", info.name),
        "projectNumber": "123456789012",
        "location": info.location,
        "locationType": location_type(&info.location),
        "storageClass": info.storage_class,
        "metageneration": "1",
        "generation": "1",
        "etag": "CAE=",
        "timeCreated": info.created,
        "updated": info.created,
        "iamConfiguration": {
            "uniformBucketLevelAccess": { "enabled": true },
            "publicAccessPrevention": "inherited",
        },
    });
    if let Some(seconds) = info.retention {
        resource["retentionPolicy"] = json!({
            "retentionPeriod": seconds.to_string(),
            "effectiveTime": info.created,
        });
    }
    if !info.labels.is_empty() {
        resource["labels"] = json!(info.labels);
    }
    resource
}

fn location_type(location: &str) -> &'static str {
    match location {
        "US" | "EU" | "ASIA" => "multi-region",
        _ if location.contains('-') => "region",
        _ => "dual-region",
    }
}
