//! What changes of a model's version: its texts, labels and aliases.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::model::DEFAULT;
use super::names::{check_alias, check_display_name, split_version};
use super::refusal::{check_labels, invalid, stale};
use super::router::Call;
use super::{models, schema};
use crate::api::mask;
use crate::api::stamp::{etag, precise_now};
use crate::error::ApiError;

/// Everything else of a model is immutable.
const UPDATABLE: [&str; 6] =
    ["displayName", "description", "versionDescription", "labels", "explanationSpec", "etag"];

pub(super) fn patch(call: &Call, name: &str) -> Result<Response, ApiError> {
    let (id, wanted) = split_version(name);
    let patch = schema::read("Model", &call.body)?;
    let fields = read_mask(call, &UPDATABLE)?;
    if fields.iter().any(|field| field == "displayName") {
        let name = patch.get("displayName").and_then(Value::as_str);
        check_display_name("Model", name.unwrap_or_default())?;
    }
    check_labels(&patch)?;
    let shown = call.vertex().catalog.change(|catalog| {
        let model = catalog.model_mut(&call.place, id)?;
        let number = model.find(&call.place.model(id), wanted)?;
        if let Some(version) = model.versions.get_mut(&number) {
            check_etag(&version.etag, &patch)?;
            for field in fields.iter().filter(|field| *field != "etag") {
                mask::apply(&mut version.spec, field, &patch);
            }
            version.etag = etag();
            version.update_time = precise_now();
        }
        models::show(catalog, &call.place, id, wanted)
    })?;
    Ok(Json(shown).into_response())
}

/// The query's mask, which must name something and only what `allowed` has.
pub(super) fn read_mask(call: &Call, allowed: &[&str]) -> Result<Vec<String>, ApiError> {
    let fields = mask::fields(&call.query);
    if fields.is_empty() {
        return Err(invalid("The update mask must be present and not empty."));
    }
    let is_allowed = |field: &str| {
        let top = field.split('.').next().unwrap_or_default();
        allowed.contains(&field) || allowed.contains(&top)
    };
    match fields.iter().find(|field| !is_allowed(field)) {
        Some(field) => Err(invalid(&format!("The field '{field}' cannot be updated."))),
        None => Ok(fields),
    }
}

/// An etag in the request must be the one that the client last saw.
pub(super) fn check_etag(
    current: &str,
    body: &serde_json::Map<String, Value>,
) -> Result<(), ApiError> {
    match body.get("etag").and_then(Value::as_str) {
        Some(etag) if !etag.is_empty() && etag != current => Err(stale()),
        _ => Ok(()),
    }
}

pub(super) fn merge_aliases(call: &Call, name: &str) -> Result<Response, ApiError> {
    let (id, wanted) = split_version(name);
    let wanted = explicit(wanted)?;
    let request = schema::read("MergeVersionAliasesRequest", &call.body)?;
    let aliases = request.get("versionAliases").and_then(Value::as_array);
    let aliases: Vec<&str> = aliases.into_iter().flatten().filter_map(Value::as_str).collect();
    if aliases.is_empty() {
        return Err(invalid("version_aliases is required."));
    }
    for alias in &aliases {
        let is_removed = alias.strip_prefix('-');
        check_alias(is_removed.unwrap_or(alias))?;
        if is_removed == Some(DEFAULT) {
            let text = "The alias 'default' cannot be removed: there must be exactly one default \
                        version. Assign it to another version instead.";
            return Err(invalid(text));
        }
    }
    let shown = call.vertex().catalog.change(|catalog| {
        let model = catalog.model_mut(&call.place, id)?;
        let number = model.find(&call.place.model(id), Some(wanted))?;
        for alias in &aliases {
            match alias.strip_prefix('-') {
                Some(removed) => {
                    if let Some(version) = model.versions.get_mut(&number) {
                        version.aliases.remove(removed);
                    }
                }
                None => model.assign(alias, number),
            }
        }
        if let Some(version) = model.versions.get_mut(&number) {
            version.etag = etag();
            version.update_time = precise_now();
        }
        models::show(catalog, &call.place, id, Some(&number.to_string()))
    })?;
    Ok(Json(shown).into_response())
}

pub(super) fn explicit(version: Option<&str>) -> Result<&str, ApiError> {
    version.ok_or_else(|| invalid("The name must say which version: models/MODEL@VERSION."))
}
