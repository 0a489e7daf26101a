use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use deployment::Explain;
use oci::{
    Archive, Credential, Error, Image, ImageConfig, Layout, Platform, Push, Pushed, Registry,
};

use crate::server::{Answer, Request, Server};

/// What has arrived, by the last part of its path.
type Kept = Mutex<HashSet<String>>;

/// A registry that keeps what it is sent, as Artifact Registry does: no PATCH.
fn registry(kept: &Kept, request: &Request) -> Answer {
    with_mounts(kept, "", request)
}

/// The same with a blob in the repository `base`.
fn with_mounts(kept: &Kept, based: &str, request: &Request) -> Answer {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let name = path.rsplit('/').next().unwrap().to_owned();
    let mut kept = kept.lock().unwrap();
    match (request.method.as_str(), path) {
        ("HEAD" | "GET", _) if kept.contains(&name) => Answer::new(200),
        ("HEAD" | "GET", _) => Answer::new(404),
        ("POST", _) if query == format!("mount={based}&from=base") => Answer::new(201),
        ("POST", _) => Answer::new(202).header("location", "/v2/place?state=a%2Fb"),
        ("PUT", "/v2/place") => {
            let digest = query.strip_prefix("state=a%2Fb&digest=").unwrap().replace("%3A", ":");
            assert_eq!(digest, oci::Digest::of(&request.body).to_string());
            kept.insert(digest);
            Answer::new(201)
        }
        ("PUT", _) => {
            kept.insert(name);
            Answer::new(201)
        }
        _ => Answer::new(405),
    }
}

fn image(directory: &Path) -> (Layout, Image) {
    let layout = Layout::new(directory);
    let mut config = ImageConfig::new(&Platform::linux_amd64());
    let mut layers = Vec::new();
    for name in ["base", "model"] {
        let mut archive = Archive::default();
        archive.bytes(name, name.repeat(1000)).unwrap();
        let layer = archive.layer(layout.blobs()).unwrap();
        config.rootfs.diff_ids.push(layer.diff_id);
        layers.push(layer.descriptor);
    }
    let image = layout.write(&config, layers, BTreeMap::new(), None).unwrap();
    (layout, image)
}

fn push(registry: &Registry, layout: &Layout, image: &Image) -> Result<Pushed, Error> {
    let push = Push {
        image,
        blobs: layout.blobs(),
        repository: "acme/iris",
        tag: "v1",
        mount_from: Some("base"),
        jobs: 1,
    };
    let missing = registry.missing(&push)?;
    registry.push(&push, &missing, &|_| ())
}

#[test]
fn only_what_is_missing_and_the_manifest_last() {
    let scratch = tempfile::tempdir().unwrap();
    let (layout, image) = image(scratch.path());
    let layers = &image.manifest.layers;
    let based = layers[0].digest.to_string();
    let kept = Kept::new(HashSet::from([image.manifest.config.digest.to_string()]));
    let server = Server::start(move |request| with_mounts(&kept, &based, request));
    let registry = Registry::new(&server.host, None);
    let pushed = push(&registry, &layout, &image).unwrap();
    let bytes = layers[1].size;
    assert_eq!(pushed, Pushed { sent: 1, mounted: 1, skipped: 1, bytes });
    let lines = server.lines();
    assert_eq!(
        lines[lines.len() - 2..],
        [
            format!("PUT /v2/acme/iris/manifests/{}", image.digest),
            "PUT /v2/acme/iris/manifests/v1".to_owned()
        ]
    );
    let posts = lines.iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!((posts, server.seen().last().unwrap().body == image.content), (2, true));
    let content_type = server.seen().last().unwrap().header("content-type").map(str::to_owned);
    assert_eq!(content_type.as_deref(), Some(oci::media::MANIFEST));
}

#[test]
fn an_upload_that_breaks_begins_anew() {
    let scratch = tempfile::tempdir().unwrap();
    let (layout, image) = image(scratch.path());
    let (kept, broken) = (Kept::default(), AtomicUsize::new(0));
    let server = Server::start(move |request| {
        let is_blob = request.path.starts_with("/v2/place");
        if is_blob && broken.fetch_add(1, Ordering::Relaxed) % 2 == 0 {
            return Answer::trouble();
        }
        registry(&kept, request)
    });
    let pushed = push(&Registry::new(&server.host, None), &layout, &image).unwrap();
    assert_eq!((pushed.sent, pushed.skipped), (3, 0));
    let count =
        |method: &str| server.lines().iter().filter(|line| line.starts_with(method)).count();
    assert_eq!((count("POST"), count("PATCH")), (6, 0), "{:?}", server.lines());
}

#[test]
fn a_refusal_is_told_as_the_registry_tells_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (layout, image) = image(scratch.path());
    let server = Server::start(|request| match request.method.as_str() {
        "POST" => Answer::new(404).body(
            r#"{"errors":[{"code":"NAME_UNKNOWN","message":"Repository \"models\" not found"}]}"#,
        ),
        _ => Answer::new(404),
    });
    let error = push(&Registry::new(&server.host, None), &layout, &image).unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(404), Some("NAME_UNKNOWN")));
    assert!(error.to_string().ends_with("Repository \"models\" not found"), "{error}");
}

/// A token that ends its life once.
struct Token(AtomicBool);

impl Credential for Token {
    fn authorization(&self, _: &str) -> Result<Option<String>, Box<dyn Explain + Send + Sync>> {
        let renewed = self.0.load(Ordering::Relaxed);
        Ok(Some(if renewed { "Bearer new" } else { "Bearer old" }.into()))
    }

    fn renew(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

#[test]
fn a_token_that_has_expired_is_renewed() {
    let scratch = tempfile::tempdir().unwrap();
    let (layout, image) = image(scratch.path());
    let kept = Kept::default();
    let server = Server::start(move |request| {
        let expired = request.header("authorization") == Some("Bearer old");
        // In the middle: when the first blob goes out.
        if expired && request.path.starts_with("/v2/place") {
            return Answer::new(401);
        }
        registry(&kept, request)
    });
    let token: Arc<dyn Credential> = Arc::new(Token(AtomicBool::new(false)));
    let registry = Registry::new(&server.host, Some(token));
    assert_eq!(push(&registry, &layout, &image).unwrap().sent, 3);
    let refused = Server::start(|_| Answer::new(401));
    let token: Arc<dyn Credential> = Arc::new(Token(AtomicBool::new(true)));
    let error = push(&Registry::new(&refused.host, Some(token)), &layout, &image).unwrap_err();
    assert_eq!(error.status(), Some(401));
}
