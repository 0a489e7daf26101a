//! Pages of a list.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::filter::Filter;
use super::refusal::malformed;
use crate::error::ApiError;

const DEFAULT_SIZE: usize = 20;
const MAX_SIZE: usize = 100;

/// Gives the page that the query asks for, as `{key: […], nextPageToken}`; an
/// empty list is `{}`.
///
/// A token is the last name of the page before, so a list that changes between
/// two pages loses and repeats nothing.
pub(super) fn page<'a, T: 'a>(
    query: &HashMap<String, String>,
    key: &str,
    all: impl Iterator<Item = (&'a String, &'a T)>,
    show: impl Fn(&'a str, &'a T) -> Value,
) -> Result<Value, ApiError> {
    let size = match query.get("pageSize").map_or(Ok(0), |size| size.parse::<i32>()) {
        Ok(0) => DEFAULT_SIZE,
        Ok(size) => usize::try_from(size)
            .map_err(|_| malformed("The page size must not be negative."))?
            .min(MAX_SIZE),
        Err(_) => return Err(malformed("Invalid value at 'page_size' (TYPE_INT32).")),
    };
    let after = match query.get("pageToken").map(String::as_str) {
        None | Some("") => None,
        Some(token) => Some(read_token(token)?),
    };
    let filter = Filter::parse(query.get("filter").map_or("", String::as_str))?;
    let mut rest = all
        .skip_while(|(name, _)| after.as_ref().is_some_and(|after| *name <= after))
        .map(|(name, item)| (name.as_str(), show(name, item)))
        .filter(|(_, shown)| filter.wants(shown))
        .peekable();
    let mut last = "";
    let items: Vec<Value> = rest
        .by_ref()
        .take(size)
        .map(|(name, shown)| {
            last = name;
            shown
        })
        .collect();
    let mut answer = json!({});
    if !items.is_empty() {
        answer[key] = items.into();
    }
    if rest.peek().is_some() {
        answer["nextPageToken"] = URL_SAFE_NO_PAD.encode(last).into();
    }
    Ok(answer)
}

fn read_token(token: &str) -> Result<String, ApiError> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| malformed("The page token is invalid."))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn list(all: &BTreeMap<String, u32>, size: &str, token: &str) -> Result<Value, ApiError> {
        let query = HashMap::from([
            ("pageSize".to_owned(), size.to_owned()),
            ("pageToken".to_owned(), token.to_owned()),
        ]);
        page(&query, "items", all.iter(), |_, n| (*n).into())
    }

    #[test]
    fn pages_cover_a_list_once_while_it_changes() {
        let mut all: BTreeMap<String, u32> = (0..7).map(|n| (format!("m{n}"), n)).collect();
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = list(&all, "2", &token).unwrap();
            seen.extend(page["items"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()));
            match page["nextPageToken"].as_str() {
                Some(next) => token = next.to_owned(),
                None => break,
            }
            all.remove("m1");
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn sizes_have_a_default_and_limits() {
        let all: BTreeMap<String, u32> = (0..150).map(|n| (format!("m{n:03}"), n)).collect();
        let count = |size| list(&all, size, "").unwrap()["items"].as_array().unwrap().len();
        assert_eq!((count("0"), count("150"), count("7")), (20, 100, 7));
        assert!(list(&all, "-1", "").is_err() && list(&all, "x", "").is_err());
        assert!(list(&all, "1", "!").is_err());
    }

    #[test]
    fn an_empty_list_is_an_empty_object() {
        assert_eq!(list(&BTreeMap::new(), "5", "").unwrap(), json!({}));
    }

    #[test]
    fn a_filter_comes_before_the_pages() {
        let all: BTreeMap<String, u32> = (0..9).map(|n| (format!("m{n}"), n)).collect();
        let show =
            |name: &str, n: &u32| json!({ "name": name, "labels": { "odd": (n % 2).to_string() } });
        let mut query = HashMap::from([("filter".to_owned(), "labels.odd=1".to_owned())]);
        query.insert("pageSize".to_owned(), "4".to_owned());
        let found = page(&query, "items", all.iter(), show).unwrap();
        let names: Vec<_> = found["items"].as_array().unwrap().iter().map(|m| &m["name"]).collect();
        assert_eq!(names, ["m1", "m3", "m5", "m7"]);
        assert_eq!(found.get("nextPageToken"), None);
    }
}
