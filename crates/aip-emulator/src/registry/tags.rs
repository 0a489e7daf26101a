//! The tags of a repository.

use std::ops::Bound;

use axum::Json;
use axum::extract::Query;
use axum::http::Uri;
use axum::http::header::LINK;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::error::Refusal;
use super::router::set;
use crate::state::App;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    /// At most so many
    n: Option<usize>,
    /// Those after this one
    last: Option<String>,
}

pub(super) fn list(app: &App, name: &str, uri: &Uri) -> Result<Response, Refusal> {
    let Query(params) = Query::<Params>::try_from_uri(uri).unwrap_or_default();
    let all = app.registry.read();
    let repository = all.get(name).ok_or_else(|| Refusal::no_repository(name))?;
    let after = params.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = repository.tags.range::<str, _>((after, Bound::Unbounded));
    let limit = params.n.unwrap_or(usize::MAX);
    let tags: Vec<&String> = rest.by_ref().take(limit).map(|(tag, _)| tag).collect();
    let mut answer = Json(json!({ "name": name, "tags": tags })).into_response();
    if let (Some(last), true) = (tags.last(), rest.next().is_some()) {
        let next = format!("</v2/{name}/tags/list?n={limit}&last={last}>; rel=\"next\"");
        set(answer.headers_mut(), LINK.as_str(), &next);
    }
    Ok(answer)
}
