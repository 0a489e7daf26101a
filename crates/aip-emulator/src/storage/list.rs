//! `storage.objects.list`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::object::Object;
use super::page;
use super::params::{Origin, Params};
use crate::error::ApiError;
use crate::state::App;

/// `versions` is no parameter here: buckets have no versioning, and of such
/// ones the service lists the live objects either way.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListParams {
    prefix: String,
    delimiter: String,
    #[serde(deserialize_with = "boolean")]
    include_trailing_delimiter: bool,
    max_results: Option<usize>,
    page_token: String,
    start_offset: String,
    end_offset: String,
    match_glob: String,
    #[serde(deserialize_with = "boolean")]
    soft_deleted: bool,
}

/// Python's clients write `True`.
fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    String::deserialize(deserializer).map(|text| text.eq_ignore_ascii_case("true"))
}

pub(super) async fn list(
    State(app): State<App>,
    origin: Origin,
    Path(bucket): Path<String>,
    Params(params): Params<ListParams>,
) -> Result<Json<Value>, ApiError> {
    if params.soft_deleted {
        let message = "The emulator does not keep deleted objects.";
        let error = ApiError::storage(501, "notImplemented", message);
        return Err(error.at("parameter", "softDeleted"));
    }
    let selection = Selection::new(&params)?;
    let page = app.storage.select(&bucket, &params.prefix, |objects| selection.page(objects))?;
    let mut answer = json!({ "kind": "storage#objects" });
    if !page.items.is_empty() {
        answer["items"] = page.items.iter().map(|object| object.resource(&origin)).collect();
    }
    if !page.prefixes.is_empty() {
        answer["prefixes"] = page.prefixes.into();
    }
    if let Some(last) = page.last {
        answer["nextPageToken"] = page::token(&last).into();
    }
    Ok(Json(answer))
}

struct Selection<'a> {
    params: &'a ListParams,
    glob: Option<GlobMatcher>,
    /// The last entry of the page before this one
    after: Option<String>,
    max: usize,
}

#[derive(Default)]
struct Page {
    items: Vec<Arc<Object>>,
    prefixes: Vec<String>,
    /// The last entry, if there is more to come
    last: Option<String>,
}

impl<'a> Selection<'a> {
    fn new(params: &'a ListParams) -> Result<Self, ApiError> {
        let invalid = |what: &str| ApiError::storage(400, "invalid", what).at("parameter", what);
        let glob = match params.match_glob.as_str() {
            "" => None,
            glob => {
                let built = GlobBuilder::new(glob).literal_separator(true).build();
                Some(built.map_err(|_| invalid("matchGlob"))?.compile_matcher())
            }
        };
        let after = page::after(&params.page_token)?;
        let max = page::size(params.max_results);
        Ok(Self { params, glob, after, max })
    }

    fn page(&self, objects: &mut dyn Iterator<Item = &Arc<Object>>) -> Page {
        let mut page = Page::default();
        let mut last = String::new();
        for object in objects.filter(|object| self.wants(&object.name)) {
            let folder = self.folder(&object.name);
            // Entries come in order, so a folder's are next to each other
            let entry = folder.unwrap_or(&object.name);
            if self.after.as_deref().is_some_and(|after| entry <= after) {
                continue;
            }
            let news = entry != last;
            if news && page.items.len() + page.prefixes.len() >= self.max {
                page.last = Some(last);
                break;
            }
            if news {
                entry.clone_into(&mut last);
                page.prefixes.extend(folder.map(str::to_owned));
            }
            let trailing = self.params.include_trailing_delimiter && entry == object.name;
            if folder.is_none() || trailing {
                page.items.push(object.clone());
            }
        }
        page
    }

    fn wants(&self, name: &str) -> bool {
        let ListParams { start_offset, end_offset, .. } = self.params;
        name >= start_offset.as_str()
            && (end_offset.is_empty() || name < end_offset.as_str())
            && self.glob.as_ref().is_none_or(|glob| glob.is_match(name))
    }

    /// The part of the name up to the first delimiter after the prefix.
    fn folder<'n>(&self, name: &'n str) -> Option<&'n str> {
        let ListParams { prefix, delimiter, .. } = self.params;
        if delimiter.is_empty() {
            return None;
        }
        let found = name[prefix.len()..].find(delimiter.as_str())?;
        Some(&name[..prefix.len() + found + delimiter.len()])
    }
}
