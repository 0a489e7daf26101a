//! Blobs, as clients push and pull them.

use aip_emulator::Options;
use serde_json::json;

use crate::harness::{Server, digest};

#[test]
fn pushed_and_pulled() {
    let server = Server::start();
    assert_eq!(server.get("/v2/").status, 200);
    assert_eq!(server.get("/v2/").header("docker-distribution-api-version"), Some("registry/2.0"));
    let digest = server.push_blob("p/r/iris", b"0123456789");
    let path = format!("/v2/p/r/iris/blobs/{digest}");
    let head = server.send("HEAD", &path, &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    assert_eq!(head.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(server.get(&path).body, b"0123456789");
    let part = server.send("GET", &path, &[("range", "bytes=2-4")], b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    let outside = server.send("GET", &path, &[("range", "bytes=10-")], b"");
    assert_eq!(outside.refusal(), (416, "RANGE_INVALID".to_owned()));
}

#[test]
fn a_repository_has_only_what_was_pushed_to_it() {
    let server = Server::start();
    let digest = server.push_blob("p/r/one", b"content");
    let elsewhere = format!("/v2/p/r/two/blobs/{digest}");
    assert_eq!(server.get(&elsewhere).refusal(), (404, "BLOB_UNKNOWN".to_owned()));
    let mount = |from: &str, digest: &str| {
        let path = format!("/v2/p/r/two/blobs/uploads/?mount={digest}&from={from}");
        server.send("POST", &path, &[], b"")
    };
    assert_eq!(mount("p/r/three", &digest).status, 202);
    let mounted = mount("p/r/one", &digest);
    assert_eq!((mounted.status, mounted.header("location")), (201, Some(elsewhere.as_str())));
    assert_eq!(server.get(&elsewhere).body, b"content");
}

#[test]
fn in_one_post() {
    let server = Server::start();
    let digest = digest(b"content");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    assert_eq!(server.send("POST", &path, &[], b"content").status, 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).body, b"content");
    let wrong = server.send("POST", &path, &[], b"other content");
    assert_eq!(wrong.refusal(), (400, "DIGEST_INVALID".to_owned()));
}

#[test]
fn what_is_not_what_it_should_be() {
    let server = Server::start();
    let location = server.begin("a");
    let put = |query: &str| server.send("PUT", &format!("{location}{query}"), &[], b"x").refusal();
    let invalid = (400, "DIGEST_INVALID".to_owned());
    assert_eq!(put(""), invalid);
    assert_eq!(put("?digest=sha512:00"), invalid);
    assert_eq!(put(&format!("?digest={}", digest(b"y"))), invalid);
    // What failed is over
    let unknown = (404, "BLOB_UPLOAD_UNKNOWN".to_owned());
    assert_eq!(put(&format!("?digest={}", digest(b"x"))), unknown);
    let elsewhere = server.begin("a").replace("/a/", "/b/");
    let put = server.send("PUT", &format!("{elsewhere}?digest={}", digest(b"x")), &[], b"x");
    assert_eq!(put.refusal(), unknown);
    assert_eq!(server.get("/v2/a/blobs/latest").refusal(), invalid);
    assert_eq!(
        server.send("POST", "/v2/UPPER/blobs/uploads/", &[], b"").refusal(),
        (400, "NAME_INVALID".to_owned())
    );
}

#[test]
fn no_chunks() {
    let server = Server::start();
    let location = server.begin("a");
    let patch = server.send("PATCH", &location, &[], b"x");
    assert_eq!(patch.refusal(), (405, "UNSUPPORTED".to_owned()));
    let put = server.send("PUT", &format!("{location}?digest={}", digest(b"x")), &[], b"x");
    assert_eq!(put.status, 201);
}

#[test]
fn one_stream_where_it_is_wanted() {
    let options = Options { streamed_uploads: true, ..Options::default() };
    let server = Server::start_with(None, options);
    let location = server.begin("a");
    let chunk = server.send("PATCH", &location, &[("content-range", "0-0")], b"x");
    assert_eq!(chunk.refusal(), (405, "UNSUPPORTED".to_owned()));
    let patch = server.send("PATCH", &location, &[], b"content");
    assert_eq!((patch.status, patch.header("range")), (202, Some("0-6")));
    let location = patch.header("location").unwrap();
    assert_eq!(server.get(location).header("range"), Some("0-6"));
    assert_eq!(server.send("PATCH", location, &[], b"more").status, 405);
    let digest = digest(b"content");
    let put = server.send("PUT", &format!("{location}?digest={digest}"), &[], b"");
    assert_eq!(put.status, 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).body, b"content");
}

#[test]
fn an_upload_that_breaks_off_can_be_sent_again() {
    let server = Server::start();
    let arm = json!({
        "everyone": true,
        "instructions": {
            "docker.blobs.upload": ["return-reset-connection-after-256K", "return-503"],
        },
    });
    let json_type = [("content-type", "application/json")];
    let armed = server.send("POST", "/retry_test", &json_type, arm.to_string().as_bytes());
    assert_eq!(armed.status, 200);
    let content: Vec<u8> = (0..1u32 << 18).flat_map(u32::to_le_bytes).collect();
    let digest = digest(&content);
    let location = format!("{}?digest={digest}", server.begin("a"));
    assert!(server.try_send("PUT", &location, &[], &content).is_err());
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).status, 404);
    let refused = server.send("PUT", &location, &[], &content);
    assert_eq!(refused.refusal(), (503, "UNKNOWN".to_owned()));
    assert_eq!(server.send("PUT", &location, &[], &content).status, 201);
    assert_eq!(server.get(&format!("/v2/a/blobs/{digest}")).body, content);
}
