//! Objects are listed.

use crate::support::{Server, names};
use serde_json::{Value, json};

#[test]
fn lists() {
    let server = Server::start();
    for name in ["a", "d%2F1", "d%2F2", "d%2Fe%2F3", "dd", "f%2F", "z"] {
        assert_eq!(server.put_object(name, b"").status, 200);
    }
    let list = |query: &str| {
        let answer = server.get(&format!("/storage/v1/b/bkt/o?{query}")).json();
        (names(&answer), answer["prefixes"].clone(), answer["nextPageToken"].clone())
    };
    let all = ["a", "d/1", "d/2", "d/e/3", "dd", "f/", "z"];
    assert_eq!(list(""), (all.map(str::to_owned).to_vec(), Value::Null, Value::Null));
    assert_eq!(list("delimiter=/").0, ["a", "dd", "z"]);
    assert_eq!(list("delimiter=/").1, json!(["d/", "f/"]));
    assert_eq!(list("delimiter=/&includeTrailingDelimiter=True").0, ["a", "dd", "f/", "z"]);
    assert_eq!(list("delimiter=/&prefix=d/").0, ["d/1", "d/2"]);
    assert_eq!(list("delimiter=/&prefix=d/").1, json!(["d/e/"]));
    assert_eq!(list("startOffset=d/2&endOffset=f").0, ["d/2", "d/e/3", "dd"]);
    assert_eq!(list("matchGlob=d/*").0, ["d/1", "d/2"]);
    assert_eq!(list("matchGlob=d/**").0, ["d/1", "d/2", "d/e/3"]);
    assert_eq!(
        server.get("/storage/v1/b/bkt/o?prefix=nothing").json(),
        json!({"kind": "storage#objects"})
    );
    let masked = server.get("/storage/v1/b/bkt/o?prefix=z&fields=items(name,size)").json();
    assert_eq!(masked, json!({"items": [{"name": "z", "size": "0"}]}));
    assert_eq!(server.get("/storage/v1/b/bkt/o?fields=items(").status, 400);
    assert_eq!(server.get("/storage/v1/b/bkt/o?pageToken=%2F").status, 400);
    assert_eq!(server.get("/storage/v1/b/nope/o").reason(), "notFound");
}

#[test]
fn every_page_size_gives_the_same_list() {
    let server = Server::start();
    for name in ["a", "d%2F1", "d%2F2", "dd", "e%2F", "e%2Fx", "f", "g%2F1"] {
        server.put_object(name, b"");
    }
    let query = "delimiter=/&includeTrailingDelimiter=true";
    let whole = server.get(&format!("/storage/v1/b/bkt/o?{query}")).json();
    for size in 1..=9 {
        let (mut items, mut prefixes, mut token) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = format!("/storage/v1/b/bkt/o?{query}&maxResults={size}&pageToken={token}");
            let page = server.get(&page).json();
            items.extend(names(&page));
            prefixes.extend(page["prefixes"].as_array().cloned().unwrap_or_default());
            match page["nextPageToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }
        assert_eq!(items, names(&whole), "pages of {size}");
        assert_eq!(Value::from(prefixes), whole["prefixes"], "pages of {size}");
    }
}
