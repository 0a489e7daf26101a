//! Objects that are made of other objects.

use crate::support::{Server, text};
use serde_json::{Value, json};

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
