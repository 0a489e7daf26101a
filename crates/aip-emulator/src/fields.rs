//! Partial responses: `fields=items(name,size),nextPageToken`.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::error::ApiError;

#[derive(Deserialize)]
struct Params {
    fields: Option<String>,
    alt: Option<String>,
}

/// Cuts a successful JSON answer down to the fields that were asked for.
pub(crate) async fn select(request: Request, next: Next) -> Response {
    let params = Query::<Params>::try_from_uri(request.uri()).ok().map(|Query(params)| params);
    let fields = params.filter(|params| params.alt.as_deref() != Some("media"));
    let Some(fields) = fields.and_then(|params| params.fields).filter(|f| !f.is_empty()) else {
        return next.run(request).await;
    };
    let Some(mask) = Mask::parse(&fields) else {
        let error = ApiError::storage(400, "invalidParameter", "Invalid field selection");
        let error = error.at("parameter", "fields").with_status("INVALID_ARGUMENT");
        return error.into_response();
    };
    let answer = next.run(request).await;
    let json = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !json || !answer.status().is_success() {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    mask.apply(&mut value);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}

/// What to keep of an object, by key. An empty mask keeps everything.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mask(BTreeMap<String, Self>);

impl Mask {
    fn parse(text: &str) -> Option<Self> {
        let mut mask = Self::default();
        let rest = mask.parse_list(text)?;
        rest.is_empty().then_some(mask)
    }

    /// `a,b/c,d(e,f)`; gives back what follows the list.
    fn parse_list<'t>(&mut self, mut rest: &'t str) -> Option<&'t str> {
        loop {
            rest = self.parse_path(rest)?;
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => return Some(rest),
            }
        }
    }

    fn parse_path<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let end = text.find([',', '/', '(', ')']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() {
            return None;
        }
        let child = self.0.entry(name.to_owned()).or_default();
        if let Some(rest) = rest.strip_prefix('/') {
            return child.parse_path(rest);
        }
        match rest.strip_prefix('(') {
            Some(rest) => child.parse_list(rest)?.strip_prefix(')'),
            None => Some(rest),
        }
    }

    fn apply(&self, value: &mut Value) {
        match value {
            _ if self.0.is_empty() => {}
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Object(fields) => {
                fields.retain(|key, value| {
                    let child = self.0.get(key).or_else(|| self.0.get("*"));
                    child.inspect(|child| child.apply(value)).is_some()
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selected(fields: &str) -> Value {
        let mut value = json!({
            "kind": "k", "nextPageToken": "t",
            "items": [{"name": "a", "size": "1", "owner": {"entity": "e", "id": "i"}}],
        });
        Mask::parse(fields).unwrap().apply(&mut value);
        value
    }

    #[test]
    fn keeps_what_is_named() {
        assert_eq!(
            selected("items(name,size),nextPageToken"),
            json!({"nextPageToken": "t", "items": [{"name": "a", "size": "1"}]})
        );
        assert_eq!(selected("items/owner/id"), json!({"items": [{"owner": {"id": "i"}}]}));
        assert_eq!(
            selected("items(owner(entity),name)")["items"][0]["owner"],
            json!({"entity": "e"})
        );
        assert_eq!(selected("prefixes,kind"), json!({"kind": "k"}));
        assert_eq!(selected("*"), selected("items,kind,nextPageToken"));
    }

    #[test]
    fn refuses_what_is_not_a_mask() {
        for bad in [",", "a,", "a(b", "a)b", "a()", "/a", "a//b"] {
            assert_eq!(Mask::parse(bad), None, "{bad}");
        }
    }
}
