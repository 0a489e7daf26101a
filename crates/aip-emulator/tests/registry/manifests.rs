//! Manifests, tags, and the images that they describe.

use aip_emulator::Options;
use aip_emulator::registry::ImageError;
use serde_json::{Value, json};

use crate::harness::{INDEX, MANIFEST, Server, digest};

#[test]
fn by_tag_and_by_digest() {
    let server = Server::start();
    let pushed = server.push_image("p/r/iris", "v1", &json!({}), &[b"layer".to_vec()]);
    let by_tag = server.get("/v2/p/r/iris/manifests/v1");
    assert_eq!((by_tag.status, by_tag.header("content-type")), (200, Some(MANIFEST)));
    assert_eq!(digest(&by_tag.body), pushed);
    let head = server.send("HEAD", &format!("/v2/p/r/iris/manifests/{pushed}"), &[], b"");
    assert_eq!((head.status, head.header("docker-content-digest")), (200, Some(pushed.as_str())));
    let length = by_tag.body.len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    let unknown = |path: &str| server.get(path).refusal();
    assert_eq!(unknown("/v2/p/r/iris/manifests/v2"), (404, "MANIFEST_UNKNOWN".to_owned()));
    assert_eq!(unknown("/v2/p/r/rose/manifests/v1"), (404, "NAME_UNKNOWN".to_owned()));
    assert_eq!(unknown("/v2/p/r/iris/manifests/v%20"), (400, "TAG_INVALID".to_owned()));
}

#[test]
fn all_that_a_manifest_names_must_be_there() {
    let server = Server::start();
    let there = server.push_blob("a", b"{}");
    let part =
        |digest: &str, size: u64| json!({ "mediaType": "x", "digest": digest, "size": size });
    let image = |config: Value, layers: &[Value]| json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    let put = |manifest: &Value| server.push_manifest("a", "v1", manifest);
    let missing = part(&digest(b"missing"), 7);
    let unknown = (400, "MANIFEST_BLOB_UNKNOWN".to_owned());
    assert_eq!(put(&image(missing.clone(), &[])).refusal(), unknown);
    assert_eq!(put(&image(part(&there, 2), std::slice::from_ref(&missing))).refusal(), unknown);
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [missing] });
    assert_eq!(put(&index).refusal(), unknown);
    let invalid = (400, "MANIFEST_INVALID".to_owned());
    assert_eq!(put(&image(part(&there, 3), &[])).refusal(), invalid);
    assert_eq!(put(&json!({ "schemaVersion": 2, "mediaType": MANIFEST })).refusal(), invalid);
    assert_eq!(put(&image(part(&there, 2), &[])).status, 201);
    let other = format!("/v2/a/manifests/{}", digest(b"other"));
    let content = image(part(&there, 2), &[]).to_string();
    let put = server.send("PUT", &other, &[("content-type", MANIFEST)], content.as_bytes());
    assert_eq!(put.refusal(), (400, "DIGEST_INVALID".to_owned()));
}

#[test]
fn tags() {
    let server = Server::start();
    for tag in ["v2", "v1", "v3"] {
        server.push_image("a/b", tag, &json!({}), &[]);
    }
    let all = server.get("/v2/a/b/tags/list");
    assert_eq!(all.json(), json!({ "name": "a/b", "tags": ["v1", "v2", "v3"] }));
    let some = server.get("/v2/a/b/tags/list?n=2");
    assert_eq!(some.json()["tags"], json!(["v1", "v2"]));
    let link = some.header("link").unwrap();
    let next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    let rest = server.get(next);
    assert_eq!((&rest.json()["tags"], rest.header("link")), (&json!(["v3"]), None));
    assert_eq!(server.get("/v2/none/tags/list").refusal(), (404, "NAME_UNKNOWN".to_owned()));
    assert_eq!(server.send("DELETE", "/v2/a/b/manifests/v2", &[], b"").status, 202);
    assert_eq!(server.get("/v2/a/b/tags/list").json()["tags"], json!(["v1", "v3"]));
}

#[test]
fn images_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(Some(dir.path()), Options::default());
    let pushed = server.push_image("a", "v1", &json!({}), &[b"layer".to_vec()]);
    drop(server);
    let server = Server::start_with(Some(dir.path()), Options::default());
    assert_eq!(digest(&server.get("/v2/a/manifests/v1").body), pushed);
    assert_eq!(server.get(&format!("/v2/a/blobs/{}", digest(b"layer"))).body, b"layer");
}

#[test]
fn the_stand_in_for_python() {
    let server = Server::start();
    let index = server.get("/v2/library/python/manifests/3.11-slim");
    assert_eq!((index.status, index.header("content-type")), (200, Some(INDEX)));
    let uri = format!("{}/library/python:3.11-slim", server.host());
    let image = server.app().registry.image(&uri).unwrap();
    assert_eq!(image.layers.len(), 1);
    let env = image.config.env.unwrap();
    assert!(
        env[0].starts_with("PATH=/usr/local/bin:")
            && env.contains(&"PYTHON_VERSION=3.11".to_owned())
    );
    assert_eq!(image.config.labels.unwrap()["mlflow-aip.stand-in"], "true");
    assert_eq!(server.get("/v2/library/python/manifests/latest").status, 404);
    // What somebody pushed is not replaced
    let own = server.push_image("library/python", "3.12-slim", &json!({}), &[]);
    assert_eq!(digest(&server.get("/v2/library/python/manifests/3.12-slim").body), own);
}

#[test]
fn images_by_their_uris() {
    let server = Server::start();
    let pushed = server.push_image("p/r/iris", "v1", &json!({"Env": ["A=b"]}), &[b"l".to_vec()]);
    let image = |uri: &str| server.app().registry.image(uri);
    let host = server.host();
    for uri in [
        format!("{host}/p/r/iris:v1"),
        format!("{host}/p/r/iris@{pushed}"),
        format!("us-central1-docker.pkg.dev/p/r/iris:v9@{pushed}"),
    ] {
        let found = image(&uri).unwrap();
        assert_eq!((&found.digest, found.layers.len()), (&pushed, 1), "{uri}");
        assert_eq!(found.config.env.unwrap(), ["A=b"]);
    }
    let missing = format!("{host}/p/r/iris:v2");
    assert_eq!(image(&missing).unwrap_err(), ImageError::NotFound(missing));
    for (uri, said) in [
        ("docker.io/library/python:3.11", "must be in Artifact Registry"),
        ("iris", "Invalid image URI"),
    ] {
        assert!(image(uri).unwrap_err().to_string().contains(said), "{uri}");
    }
}
