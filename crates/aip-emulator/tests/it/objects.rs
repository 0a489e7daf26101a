//! Objects, once they are there.

use crate::support::{Server, number, text};
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
