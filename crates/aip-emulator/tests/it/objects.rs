//! Buckets and objects, once they are there.

use crate::support::Server;
use serde_json::{Value, json};

#[test]
fn an_object_comes_back_as_it_was() {
    let server = Server::start();
    let name = "a%2Fb%2F%2F..%2F%C3%BC%20%2B%25%3F%23";
    let object = server.put_object(name, b"hello").json();
    assert_eq!(object["name"], "a/b//../ü +%?#");
    assert_eq!(object["size"], "5");
    assert_eq!(object["crc32c"], "mnG7TA==");
    assert_eq!(object["md5Hash"], "XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(object["contentType"], "text/plain");
    assert_eq!(object["metageneration"], "1");
    let path = format!("/storage/v1/b/bkt/o/{name}");
    assert_eq!(server.get(&path).json(), object);
    assert_eq!(server.get(object["selfLink"].as_str().unwrap()).json(), object);
    assert_eq!(server.get(object["mediaLink"].as_str().unwrap()).body, b"hello");
    assert_eq!(server.delete(&path).status, 204);
    assert_eq!(server.get(&path).reason(), "notFound");
    assert_eq!(server.delete(&path).reason(), "notFound");
}

#[test]
fn content_has_its_headers() {
    let server = Server::start();
    let object = server.put_object("x", b"0123456789").json();
    let all = server.media("x");
    assert_eq!((all.status, all.body.as_slice()), (200, &b"0123456789"[..]));
    assert_eq!(all.header("content-length"), Some("10"));
    assert_eq!(all.header("content-type"), Some("text/plain"));
    assert_eq!(all.header("x-goog-generation"), object["generation"].as_str());
    let hash = format!("crc32c={},md5={}", text(&object["crc32c"]), text(&object["md5Hash"]));
    assert_eq!(all.header("x-goog-hash"), Some(hash.as_str()));
    let path = "/download/storage/v1/b/bkt/o/x?alt=media";
    let part = server.call("GET", path, &[("range", "bytes=2-4")], b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    let outside = server.call("GET", path, &[("range", "bytes=10-")], b"");
    assert_eq!((outside.status, outside.header("content-range")), (416, Some("bytes */10")));
    let other = server.get("/storage/v1/b/bkt/o/x?alt=media&generation=1");
    assert_eq!((other.status, other.body.as_slice()), (404, &b"No such object: bkt/x"[..]));
}

#[test]
fn an_empty_object_is_an_object() {
    let server = Server::start();
    let object = server.put_object("empty", b"").json();
    assert_eq!((text(&object["size"]), text(&object["crc32c"])), ("0", "AAAAAA=="));
    let content = server.media("empty");
    assert_eq!((content.status, content.body.len()), (200, 0));
}

#[test]
fn gzip_is_unpacked_for_those_who_do_not_accept_it() {
    let server = Server::start();
    let packed = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 255, 203, 72, 205, 201, 201, 7, 0, 134, 166, 16, 54, 5, 0, 0,
        0,
    ];
    let path = "/upload/storage/v1/b/bkt/o?uploadType=media&name=z&contentEncoding=gzip";
    assert_eq!(server.call("POST", path, &[], &packed).status, 200);
    let media = "/storage/v1/b/bkt/o/z?alt=media";
    let unpacked = server.call("GET", media, &[("accept-encoding", "identity")], b"");
    assert_eq!(unpacked.body, b"hello");
    assert_eq!(unpacked.header("x-goog-stored-content-length"), Some("25"));
    let as_is = server.call("GET", media, &[("accept-encoding", "gzip")], b"");
    assert_eq!(as_is.header("content-encoding"), Some("gzip"));
    assert_eq!(as_is.body, packed);
}

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

#[test]
fn preconditions() {
    let server = Server::start();
    let upload = |query: &str| {
        let path = format!("/upload/storage/v1/b/bkt/o?uploadType=media&name=x&{query}");
        server.call("POST", &path, &[], b"x")
    };
    let first = upload("ifGenerationMatch=0").json();
    let refused = upload("ifGenerationMatch=0");
    assert_eq!((refused.status, refused.reason().as_str()), (412, "conditionNotMet"));
    assert_eq!(refused.json()["error"]["errors"][0]["location"], "If-Match");
    let generation = text(&first["generation"]);
    let second = upload(&format!("ifGenerationMatch={generation}")).json();
    assert!(number(&second["generation"]) > number(&first["generation"]));
    assert_eq!(upload(&format!("ifGenerationMatch={generation}")).status, 412);
    assert_eq!(upload("ifGenerationMatch=x").status, 400);
    let unchanged =
        format!("/storage/v1/b/bkt/o/x?ifGenerationNotMatch={}", text(&second["generation"]));
    let unchanged = server.get(&unchanged);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(server.delete("/storage/v1/b/bkt/o/x?ifMetagenerationMatch=9").status, 412);
    let tagged =
        |name, tag| server.call("GET", "/storage/v1/b/bkt/o/x", &[(name, tag)], b"").status;
    assert_eq!(tagged("if-none-match", text(&second["etag"])), 304);
    assert_eq!(tagged("if-none-match", text(&first["etag"])), 200);
    assert_eq!(tagged("if-match", text(&first["etag"])), 412);
    assert_eq!(server.get("/storage/v1/b/bkt/o/x").json(), second);
}

#[test]
fn metadata_changes_without_the_content() {
    let server = Server::start();
    let object = server.put_object("x", b"content").json();
    let json = [("content-type", "application/json")];
    let path = "/storage/v1/b/bkt/o/x";
    let changes = br#"{"metadata":{"a":"1","b":"2"},"cacheControl":"no-store"}"#;
    let patched = server.call("PATCH", path, &json, changes).json();
    assert_eq!(patched["metageneration"], "2");
    assert_eq!(patched["generation"], object["generation"]);
    assert_ne!(patched["etag"], object["etag"]);
    let patched = server.call("PATCH", path, &json, br#"{"metadata":{"a":null}}"#).json();
    assert_eq!(patched["metadata"], json!({"b": "2"}));
    assert_eq!(patched["contentType"], "text/plain");
    let updated = server.call("PUT", path, &json, br#"{"contentType":"a/b"}"#).json();
    assert_eq!((&updated["metadata"], &updated["cacheControl"]), (&Value::Null, &Value::Null));
    assert_eq!(updated["contentType"], "a/b");
    assert_eq!(server.call("PATCH", path, &json, b"{").reason(), "parseError");
    assert_eq!(server.media("x").body, b"content");
}

#[test]
fn compose() {
    let server = Server::start();
    let first = server.put_object("1", b"hel").json();
    server.put_object("2", b"lo");
    let path = "/storage/v1/b/bkt/o/dir%2Fwhole/compose?ifGenerationMatch=0";
    let body = json!({
        "sourceObjects": [
            {"name": "1", "objectPreconditions": {"ifGenerationMatch": first["generation"]}},
            {"name": "2"},
        ],
        "destination": {"contentType": "a/b"},
    });
    let composed = server.post(path, &body.to_string()).json();
    assert_eq!((text(&composed["crc32c"]), text(&composed["size"])), ("mnG7TA==", "5"));
    assert_eq!((&composed["md5Hash"], &composed["componentCount"]), (&Value::Null, &json!(2)));
    assert_eq!(server.media("dir%2Fwhole").body, b"hello");
    assert_eq!(server.post(path, &body.to_string()).status, 412);
    let refused = |sources: Value| {
        let body = json!({"sourceObjects": sources}).to_string();
        server.post("/storage/v1/b/bkt/o/new/compose", &body).status
    };
    assert_eq!(refused(json!([])), 400);
    assert_eq!(refused(json!(vec![json!({"name": "1"}); 33])), 400);
    assert_eq!(refused(json!([{"name": "nope"}])), 404);
    assert_eq!(refused(json!([{"name": "1", "generation": "1"}])), 404);
    assert_eq!(
        refused(json!([{"name": "1", "objectPreconditions": {"ifGenerationMatch": "1"}}])),
        412
    );
    assert_eq!(server.get("/storage/v1/b/bkt/o/new").status, 404);
}

#[test]
fn copies_outlive_their_source() {
    let server = Server::start();
    server.post("/storage/v1/b?project=p", r#"{"name":"other"}"#);
    let source = server.put_object("x", b"content").json();
    let to = "/storage/v1/b/bkt/o/x/rewriteTo/b/other/o/a%2Fb";
    let rewritten = server.post(to, "").json();
    assert_eq!((&rewritten["done"], &rewritten["objectSize"]), (&json!(true), &json!("7")));
    assert_eq!(rewritten["resource"]["md5Hash"], source["md5Hash"]);
    assert_eq!(rewritten["resource"]["contentType"], "text/plain");
    let copied = server.post("/storage/v1/b/bkt/o/x/copyTo/b/bkt/o/y", r#"{"contentType":"a/b"}"#);
    assert_eq!(copied.json()["contentType"], "a/b");
    assert_eq!(server.post(&format!("{to}?ifSourceGenerationMatch=1"), "").status, 412);
    server.put_object("x", b"changed");
    server.delete("/storage/v1/b/bkt/o/x");
    assert_eq!(server.get("/storage/v1/b/other/o/a%2Fb?alt=media").body, b"content");
    assert_eq!(server.media("y").body, b"content");
}

#[test]
fn buckets() {
    let server = Server::start();
    let twice = server.post("/storage/v1/b?project=p", r#"{"name":"bkt"}"#);
    assert_eq!((twice.status, twice.reason().as_str()), (409, "conflict"));
    for name in ["", "..", "Upper", "a/b", "bkt\u{0}"] {
        let body = json!({"name": name}).to_string();
        assert_eq!(server.post("/storage/v1/b?project=p", &body).reason(), "invalid", "{name}");
    }
    assert_eq!(server.post("/storage/v1/b", r#"{"name":"other"}"#).reason(), "required");
    let layout = server.get("/storage/v1/b/bkt/storageLayout").json();
    assert_eq!(layout["hierarchicalNamespace"], json!({"enabled": false}));
    server.put_object("x", b"");
    assert_eq!(server.delete("/storage/v1/b/bkt").reason(), "conflict");
    server.delete("/storage/v1/b/bkt/o/x");
    assert_eq!(server.delete("/storage/v1/b/bkt").status, 204);
    assert_eq!(server.get("/storage/v1/b/bkt").reason(), "notFound");
    assert_eq!(server.put_object("x", b"").reason(), "notFound");
    assert_eq!(server.get("/storage/v1/b?project=p").json(), json!({"kind": "storage#buckets"}));
}

#[test]
fn buckets_come_in_pages() {
    let server = Server::start();
    for name in ["b-one", "b-two", "b-three", "c-four"] {
        let body = format!(r#"{{"name":"{name}"}}"#);
        assert_eq!(server.post("/storage/v1/b?project=p", &body).status, 200);
    }
    for (size, pages) in [(1, 3), (2, 2), (3, 1), (9, 1)] {
        let (mut found, mut token, mut count) = (Vec::new(), String::new(), 0);
        loop {
            let query = format!("project=p&prefix=b-&maxResults={size}&pageToken={token}");
            let page = server.get(&format!("/storage/v1/b?{query}")).json();
            found.extend(names(&page));
            count += 1;
            match page["nextPageToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }
        assert_eq!(
            (found, count),
            (["b-one", "b-three", "b-two"].map(str::to_owned).into(), pages)
        );
    }
    for query in ["maxResults=-1", "maxResults=x", "pageToken=!"] {
        let answer = server.get(&format!("/storage/v1/b?project=p&{query}"));
        assert_eq!((answer.status, answer.reason().as_str()), (400, "invalid"), "{query}");
    }
}

/// Google's clients ask for `versions=true` before they delete a bucket.
#[test]
fn versioning_is_refused_where_it_would_begin() {
    let server = Server::start();
    let versioned = r#"{"name":"versioned","versioning":{"enabled":true}}"#;
    let answer = server.post("/storage/v1/b?project=p", versioned);
    assert_eq!((answer.status, answer.reason().as_str()), (501, "notImplemented"));
    server.put_object("x", b"before");
    server.put_object("x", b"after");
    let list = "/storage/v1/b/bkt/o";
    let versions = server.get(&format!("{list}?versions=true")).json();
    assert_eq!((names(&versions), &versions), (vec!["x".to_owned()], &server.get(list).json()));
    assert_eq!(server.get(&format!("{list}?softDeleted=true")).status, 501);
    assert_eq!(server.get(&format!("{list}?softDeleted=false")).status, 200);
}

#[test]
fn names_that_are_refused() {
    let server = Server::start();
    for name in ["", ".", "..", "a%0Ab", "a%0Db", "%FF", &"x".repeat(1025)] {
        assert_eq!(server.put_object(name, b"x").status, 400, "{name}");
    }
    let longest = "x".repeat(1024);
    assert_eq!(server.put_object(&longest, b"x").status, 200);
    assert_eq!(server.media(&longest).body, b"x");
}

#[test]
fn everything_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Server::start_with(Some(dir.path()), aip_emulator::Options::default());
    let server = start();
    server.post("/storage/v1/b?project=p", r#"{"name":"bkt","labels":{"a":"b"}}"#);
    let kept = server.put_object("a%2Fb", b"kept").json();
    server.put_object("gone", b"gone");
    server.delete("/storage/v1/b/bkt/o/gone");
    drop(server);
    let server = start();
    let mut again = server.get("/storage/v1/b/bkt/o/a%2Fb").json();
    for link in ["selfLink", "mediaLink"] {
        // The port is another one
        again[link] = kept[link].clone();
    }
    assert_eq!(again, kept);
    assert_eq!(server.media("a%2Fb").body, b"kept");
    assert_eq!(server.get("/storage/v1/b/bkt").json()["labels"], json!({"a": "b"}));
    assert_eq!(server.media("gone").status, 404);
    let next = server.put_object("a%2Fb", b"new").json();
    assert!(number(&next["generation"]) > number(&kept["generation"]));
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| text(&item["name"]).to_owned()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> i64 {
    text(value).parse().unwrap()
}

#[test]
fn a_rewrite_to_another_location_takes_several_requests() {
    let server = Server::start();
    let bucket = r#"{"name":"far","location":"europe-west1"}"#;
    assert_eq!(server.post("/storage/v1/b?project=p", bucket).status, 200);
    let data = vec![7; (2 << 20) + 1];
    let source = server.put_object("x", &data).json();
    let generation = text(&source["generation"]);
    let path = "/storage/v1/b/bkt/o/x/rewriteTo/b/far/o/y?maxBytesRewrittenPerCall=1048576";
    let step = |more: &str| server.post(&format!("{path}{more}"), "{}");

    let first = step(&format!("&ifSourceGenerationMatch={generation}&ifGenerationMatch=0"));
    assert_eq!(first.json()["done"], false);
    assert_eq!(first.json()["totalBytesRewritten"], "1048576");
    assert_eq!(server.get("/storage/v1/b/far/o/y").status, 404);
    let token = first.json()["rewriteToken"].as_str().unwrap().to_owned();
    let second = step(&format!("&rewriteToken={token}")).json();
    let again = step(&format!("&rewriteToken={token}")).json();
    assert_eq!(again["totalBytesRewritten"], second["totalBytesRewritten"], "the answer was lost");
    assert_eq!(step("&rewriteToken=other").status, 400);
    let third = step(&format!("&rewriteToken={}", text(&second["rewriteToken"]))).json();
    assert_eq!((&third["done"], &third["resource"]["crc32c"]), (&json!(true), &source["crc32c"]));
    assert_eq!(step("&ifSourceGenerationMatch=1").status, 412);
    assert_eq!(step("&ifGenerationMatch=0").status, 412);

    let near = server.post("/storage/v1/b/bkt/o/x/rewriteTo/b/bkt/o/z", "").json();
    assert_eq!(near["done"], true);
    let odd = "/storage/v1/b/bkt/o/x/rewriteTo/b/far/o/y?maxBytesRewrittenPerCall=1";
    assert_eq!(server.post(odd, "").status, 400);
}

#[test]
fn retention_keeps_objects() {
    let server = Server::start();
    let bucket = r#"{"name":"kept","retentionPolicy":{"retentionPeriod":"3600"}}"#;
    let made = server.post("/storage/v1/b?project=p", bucket).json();
    assert_eq!(made["retentionPolicy"]["retentionPeriod"], "3600");
    let upload = "/upload/storage/v1/b/kept/o?uploadType=media&name=x";
    assert_eq!(server.post(upload, "one").status, 200);
    assert_eq!(server.post(upload, "two").reason(), "retentionPolicyNotMet");
    assert_eq!(server.delete("/storage/v1/b/kept/o/x").status, 403);
}

#[test]
fn an_md5_that_nobody_asked_for_is_there_when_asked_for() {
    let server = Server::start();
    let fields = "fields=name,crc32c";
    let upload = format!("/upload/storage/v1/b/bkt/o?uploadType=media&name=x&{fields}");
    let written = server.post(&upload, "hello").json();
    assert_eq!(written, json!({"name": "x", "crc32c": "mnG7TA=="}));
    assert_eq!(server.get("/storage/v1/b/bkt/o/x").json()["md5Hash"], "XUFAKrxLKna5cZ2REBfFkg==");
    let headers = [("x-goog-hash", "md5=AAAAAAAAAAAAAAAAAAAAAA==")];
    assert_eq!(server.call("POST", &upload, &headers, b"hello").status, 400, "it is checked");
    assert_eq!(server.call("POST", &upload, &[], b"hello").status, 200);
    let hash = server.media("x").header("x-goog-hash").map(str::to_owned);
    assert_eq!(hash.as_deref(), Some("crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="));
}
