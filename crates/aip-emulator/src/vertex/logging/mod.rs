//! Cloud Logging's `entries:list`, for what the containers of deployed models
//! wrote.

mod entry;
mod query;

use std::collections::HashMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

use super::list;
use super::refusal::invalid;
use crate::api::project::number;
use crate::error::ApiError;
use crate::state::App;
use query::Query;

const DEFAULT_SIZE: i32 = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct Request {
    resource_names: Vec<String>,
    project_ids: Vec<String>,
    filter: String,
    order_by: String,
    page_size: i32,
    page_token: String,
}

pub(super) async fn list(State(app): State<App>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let request: Request = serde_json::from_slice(&body)
        .map_err(|err| invalid(&format!("Invalid JSON payload received. {err}")))?;
    let projects = projects(&request)?;
    let query = Query::parse(&request.filter)?;
    let mut entries: Vec<Value> = app.vertex.entries();
    entries.retain(|entry| {
        let project = entry["resource"]["labels"]["resource_container"].as_str();
        project.is_some_and(|found| projects.iter().any(|wanted| wanted == found))
            && query.wants(entry)
    });
    entries.sort_by(|a, b| a["timestamp"].as_str().cmp(&b["timestamp"].as_str()));
    match request.order_by.trim() {
        "" | "timestamp" | "timestamp asc" => {}
        "timestamp desc" => entries.reverse(),
        other => return Err(invalid(&format!("Invalid order_by: '{other}'."))),
    }
    let id = |entry: &Value| entry["insertId"].as_str().unwrap_or_default().to_owned();
    let entries = entries.into_iter().map(|entry| (id(&entry), entry)).collect();
    let size = if request.page_size == 0 { DEFAULT_SIZE } else { request.page_size };
    let page = HashMap::from([
        ("pageSize".to_owned(), size.to_string()),
        ("pageToken".to_owned(), request.page_token),
    ]);
    list::page(&page, "entries", entries).map(Json)
}

/// The numbers of the projects that are asked for.
fn projects(request: &Request) -> Result<Vec<String>, ApiError> {
    let named = request.resource_names.iter().map(|name| {
        let project = name.strip_prefix("projects/").and_then(|rest| rest.split('/').next());
        project.map(number).ok_or_else(|| {
            invalid(&format!("The resource name '{name}' is not of the form projects/PROJECT."))
        })
    });
    let by_id = request.project_ids.iter().map(|id| Ok(number(id)));
    let all = named.chain(by_id).collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() {
        return Err(invalid("At least one resource name must be provided."));
    }
    Ok(all)
}
