//! Buckets: what they are and what they keep.

use crate::support::{Server, names, number};
use serde_json::json;

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
