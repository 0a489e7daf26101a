//! Lists: filtered, in order, page by page.

use std::cmp::Ordering;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::filter::Filter;
use super::refusal::invalid;
use crate::api::mask::{camel, paths};
use crate::error::ApiError;

const DEFAULT_SIZE: usize = 100;
const MAX_SIZE: usize = 1000;

/// By what a list can be ordered, if its method says so.
const ORDERS: [&str; 3] = ["displayName", "createTime", "updateTime"];

/// Applies the query's `filter`, `orderBy` and `readMask`, and gives the page.
pub(super) fn select(
    query: &HashMap<String, String>,
    key: &str,
    fields: &[&str],
    all: Vec<(String, Value)>,
) -> Result<Value, ApiError> {
    let filter = Filter::parse(query.get("filter").map_or("", String::as_str), fields)?;
    let mut all: Vec<_> = all.into_iter().filter(|(_, shown)| filter.wants(shown)).collect();
    let order = read_order(query.get("orderBy").map_or("", String::as_str))?;
    // What was made last comes first, as in Google's console.
    all.sort_by(|(_, a), (_, b)| text(b, "createTime").cmp(text(a, "createTime")));
    all.sort_by(|(_, a), (_, b)| compare(&order, a, b));
    if let Some(mask) = query.get("readMask").filter(|mask| !mask.is_empty()) {
        let mask = paths(mask);
        for (_, shown) in &mut all {
            *shown = pick(shown, &mask);
        }
    }
    page(query, key, all)
}

/// Gives the page that the query asks for, as `{key: […], nextPageToken}`; an
/// empty list is `{}`.
///
/// A token is the id of the page's last item and where it stood, so a list
/// that changes between two pages loses and repeats nothing.
pub(super) fn page(
    query: &HashMap<String, String>,
    key: &str,
    all: Vec<(String, Value)>,
) -> Result<Value, ApiError> {
    let size = match query.get("pageSize").map_or(Ok(0), |size| size.parse::<i32>()) {
        Ok(0) => DEFAULT_SIZE,
        Ok(size) => usize::try_from(size)
            .map_err(|_| invalid("The page size must not be negative."))?
            .min(MAX_SIZE),
        Err(_) => return Err(invalid("Invalid value at 'page_size' (TYPE_INT32).")),
    };
    let start = match query.get("pageToken").map(String::as_str) {
        None | Some("") => 0,
        Some(token) => {
            let (last, at) = read_token(token)?;
            all.iter().position(|(id, _)| *id == last).map_or(at, |found| found + 1)
        }
    };
    let end = (start + size).min(all.len());
    let next = (end < all.len())
        .then(|| all.get(end - 1).map(|(id, _)| URL_SAFE_NO_PAD.encode(format!("{end}/{id}"))))
        .flatten();
    let items: Vec<Value> =
        all.into_iter().skip(start).take(size).map(|(_, shown)| shown).collect();
    let mut answer = json!({});
    if !items.is_empty() {
        answer[key] = items.into();
    }
    if let Some(token) = next {
        answer["nextPageToken"] = token.into();
    }
    Ok(answer)
}

fn read_token(token: &str) -> Result<(String, usize), ApiError> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (at, id) = text.split_once('/')?;
        Some((id.to_owned(), at.parse().ok()?))
    };
    read().ok_or_else(|| invalid("The page token is invalid."))
}

/// `display_name, create_time desc`
fn read_order(text: &str) -> Result<Vec<(String, bool)>, ApiError> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (field, direction) = part.split_once(' ').unwrap_or((part, "asc"));
            let field = camel(field);
            let is_descending = direction.trim() == "desc";
            if !ORDERS.contains(&field.as_str()) || !(is_descending || direction.trim() == "asc") {
                return Err(invalid(&format!("Invalid order by expression: '{part}'.")));
            }
            Ok((field, is_descending))
        })
        .collect()
}

fn compare(order: &[(String, bool)], a: &Value, b: &Value) -> Ordering {
    let each = order.iter().map(|(field, is_descending)| {
        // The times of a version in a list of versions are the version's.
        let of = |shown| match field.as_str() {
            "createTime" if shown_has_versions(shown) => text(shown, "versionCreateTime"),
            field => text(shown, field),
        };
        let order = of(a).cmp(of(b));
        if *is_descending { order.reverse() } else { order }
    });
    each.fold(Ordering::Equal, Ordering::then)
}

fn shown_has_versions(shown: &Value) -> bool {
    text(shown, "name").contains('@')
}

fn text<'a>(shown: &'a Value, field: &str) -> &'a str {
    shown[field].as_str().unwrap_or_default()
}

/// The top fields that a mask names.
fn pick(shown: &Value, mask: &[String]) -> Value {
    let wanted = |key: &String| {
        mask.iter().any(|path| path == "*" || path.split('.').next() == Some(key.as_str()))
    };
    let fields = shown.as_object().into_iter().flatten();
    let picked: Map<String, Value> =
        fields.filter(|(key, _)| wanted(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    picked.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(names: &[&str]) -> Vec<(String, Value)> {
        let item = |name: &&str| ((*name).to_owned(), json!({"name": name, "displayName": name}));
        names.iter().map(item).collect()
    }

    fn query(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn names(page: &Value) -> Vec<&str> {
        let all = page["items"].as_array().into_iter().flatten();
        all.map(|item| item["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn pages_cover_a_list_once_while_it_changes() {
        let first =
            page(&query(&[("pageSize", "2")]), "items", items(&["a", "b", "c", "d"])).unwrap();
        assert_eq!(names(&first), ["a", "b"]);
        let token = first["nextPageToken"].as_str().unwrap();
        let rest = query(&[("pageSize", "9"), ("pageToken", token)]);
        let second = page(&rest, "items", items(&["b", "c", "d"])).unwrap();
        assert_eq!(names(&second), ["c", "d"]);
        assert_eq!(second.get("nextPageToken"), None);
        assert_eq!(page(&query(&[]), "items", Vec::new()).unwrap(), json!({}));
        assert!(page(&query(&[("pageToken", "!")]), "items", Vec::new()).is_err());
    }

    #[test]
    fn order_and_mask() {
        let by_name = query(&[("orderBy", "display_name desc"), ("readMask", "name")]);
        let found = select(&by_name, "items", &["displayName"], items(&["a", "c", "b"])).unwrap();
        assert_eq!(names(&found), ["c", "b", "a"]);
        assert_eq!(found["items"][0], json!({"name": "c"}));
        let wrong = query(&[("orderBy", "etag")]);
        assert!(select(&wrong, "items", &[], Vec::new()).is_err());
    }
}
