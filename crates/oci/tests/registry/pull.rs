use oci::{Blobs, Descriptor, Digest, Error, Platform, Reference, Registry, media};
use serde_json::{Value, json};

use crate::server::{Answer, Request, Server};

const CONFIG: &str =
    r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
const LAYER: &[u8] = b"a layer";

fn described(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(content), "size": content.len()})
}

fn manifest() -> String {
    json!({
        "schemaVersion": 2,
        "config": described("application/vnd.docker.container.image.v1+json", CONFIG.as_bytes()),
        "layers": [described(media::DOCKER_LAYER, LAYER)],
    })
    .to_string()
}

fn index(platforms: &[(&str, &str)]) -> String {
    let manifests = platforms.iter().map(|(os, architecture)| {
        let mut entry = described(media::DOCKER_MANIFEST, manifest().as_bytes());
        entry["platform"] = json!({"os": os, "architecture": architecture});
        entry
    });
    let manifests: Vec<_> = manifests.collect();
    json!({"schemaVersion": 2, "mediaType": media::DOCKER_INDEX, "manifests": manifests})
        .to_string()
}

/// What a registry of one image answers.
fn image(request: &Request, tagged: &str) -> Answer {
    let digest = |content: &[u8]| format!("/{}", Digest::of(content));
    let json = |kind: &str, text: &str| Answer::new(200).header("content-type", kind).body(text);
    match request.path.as_str() {
        // Some say no more than that it is JSON.
        path if path.ends_with("/manifests/3.11-slim") => json("application/json", tagged),
        path if path.ends_with(&digest(manifest().as_bytes())) => {
            json(media::DOCKER_MANIFEST, &manifest())
        }
        path if path.ends_with(&digest(CONFIG.as_bytes())) => Answer::new(200).body(CONFIG),
        path if path.ends_with(&digest(LAYER)) => Answer::new(200).body(LAYER),
        _ => Answer::new(404)
            .body(r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such name"}]}"#),
    }
}

fn reference(server: &Server, rest: &str) -> Reference {
    format!("{}/{rest}", server.host).parse().unwrap()
}

#[test]
fn an_image_is_found_through_an_index_and_fetched() {
    let tagged = index(&[("linux", "arm64"), ("unknown", "unknown"), ("linux", "amd64")]);
    let expected = Digest::of(tagged.as_bytes());
    let server = Server::start(move |request| image(request, &tagged));
    let registry = Registry::new(&server.host, None);
    let name = reference(&server, "library/python:3.11-slim");
    let found = registry.resolve(&name, &Platform::linux_amd64()).unwrap();
    assert_eq!(found.reference, name.at(&expected));
    assert_eq!(found.image.digest, Digest::of(manifest().as_bytes()));
    assert_eq!(registry.digest(&name).unwrap(), Some(expected));
    assert_eq!(registry.digest(&reference(&server, "nothing")).unwrap(), None);

    let scratch = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(scratch.path());
    registry.pull(&found, &blobs, &|_| ()).unwrap();
    let before = server.lines().len();
    registry.pull(&found, &blobs, &|_| ()).unwrap();
    assert_eq!(server.lines().len(), before, "what is there is not fetched again");
    assert_eq!(blobs.read(&Digest::of(LAYER)).unwrap(), LAYER);
}

#[test]
fn an_image_for_other_machines_is_refused() {
    let tagged = index(&[("linux", "arm64"), ("unknown", "unknown")]);
    let server = Server::start(move |request| image(request, &tagged));
    let name = reference(&server, "library/python:3.11-slim");
    let error = Registry::new(&server.host, None).resolve(&name, &Platform::linux_amd64());
    let shown = error.unwrap_err().to_string();
    assert!(shown.ends_with("is not for linux/amd64, but for linux/arm64"), "{shown}");
}

#[test]
fn what_breaks_off_is_fetched_again_and_what_differs_is_not_kept() {
    let times = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if request.path.ends_with(Digest::of(b"other").hex()) {
            return Answer::new(200).body("wrong");
        }
        match times.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Answer::trouble(),
            1 => Answer { cut: 3, ..Answer::new(200).body(&LAYER[..4]) },
            _ => Answer::new(200).body(LAYER),
        }
    });
    let scratch = tempfile::tempdir().unwrap();
    let (registry, blobs) = (Registry::new(&server.host, None), Blobs::new(scratch.path()));
    let name = reference(&server, "x");
    let layer = Descriptor::new(media::LAYER, Digest::of(LAYER), LAYER.len() as u64);
    registry.blob(&name, &layer, &blobs, &|_| ()).unwrap();
    assert_eq!(server.lines().len(), 3);
    let other = Descriptor::new(media::LAYER, Digest::of(b"other"), 5);
    let error = registry.blob(&name, &other, &blobs, &|_| ()).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert!(!blobs.has(&other) && blobs.has(&layer));
}

#[test]
fn a_token_goes_to_the_registry_and_nowhere_else() {
    let storage = Server::start(|_| Answer::new(200).body(LAYER));
    let elsewhere = storage.host.clone();
    let server = Server::start(move |request| {
        let realm = format!("http://{}/token", request.header("host").unwrap());
        if request.path.starts_with("/token") {
            return Answer::new(200).body(r#"{"token":"t-1"}"#);
        }
        if request.header("authorization") != Some("Bearer t-1") {
            let challenge =
                format!(r#"Bearer realm="{realm}",service="s",scope="repository:a/b:pull""#);
            return Answer::new(401).header("www-authenticate", challenge);
        }
        Answer::new(307).header("location", format!("http://{elsewhere}/signed?key=1"))
    });
    let scratch = tempfile::tempdir().unwrap();
    let (registry, blobs) = (Registry::new(&server.host, None), Blobs::new(scratch.path()));
    let layer = Descriptor::new(media::LAYER, Digest::of(LAYER), LAYER.len() as u64);
    registry.blob(&reference(&server, "a/b"), &layer, &blobs, &|_| ()).unwrap();
    let blob = format!("GET /v2/a/b/blobs/{}", layer.digest);
    let token = "GET /token?service=s&scope=repository%3Aa%2Fb%3Apull".to_owned();
    assert_eq!(server.lines(), [blob.clone(), token, blob]);
    assert_eq!(storage.lines(), ["GET /signed?key=1"]);
    assert_eq!(storage.seen()[0].header("authorization"), None);
}
