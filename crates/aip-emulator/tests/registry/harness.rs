//! A registry of its own for a test, and what to push to it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use aip_emulator::{App, Config, Emulator, Options};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) struct Server {
    pub(crate) url: String,
    emulator: Option<Emulator>,
    runtime: Runtime,
    agent: ureq::Agent,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(None, Options::default())
    }

    pub(crate) fn start_with(data_dir: Option<&Path>, options: Options) -> Self {
        let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("containers"));
        let options = Options { cache_dir, ..options };
        let runtime = Runtime::new().unwrap();
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: data_dir.map(Path::to_owned),
            buckets: Vec::new(),
            traffic_log: None,
            options,
        };
        let emulator = runtime.block_on(Emulator::start(config)).unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        Self { url: emulator.url(), emulator: Some(emulator), runtime, agent }
    }

    pub(crate) fn app(&self) -> &App {
        self.emulator.as_ref().unwrap().app()
    }

    /// `HOST:PORT`
    pub(crate) fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_send(method, path, headers, body).unwrap()
    }

    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let uri = format!("{}{path}", self.url);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match method {
            "GET" | "DELETE" | "HEAD" => self.agent.run(request.body(()).unwrap()),
            _ => self.agent.run(request.body(body).unwrap()),
        };
        let (parts, mut content) = answer?.into_parts();
        let body = content.with_config().limit(1 << 30).read_to_vec()?;
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Opens an upload; where it leads.
    pub(crate) fn begin(&self, name: &str) -> String {
        let answer = self.send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"");
        assert_eq!(answer.status, 202);
        answer.header("location").unwrap().to_owned()
    }

    /// POST and PUT; the digest.
    pub(crate) fn push_blob(&self, name: &str, content: &[u8]) -> String {
        let digest = digest(content);
        let location = self.begin(name);
        let answer = self.send("PUT", &format!("{location}?digest={digest}"), &[], content);
        assert_eq!(answer.status, 201);
        digest
    }

    pub(crate) fn push_manifest(&self, name: &str, tag: &str, manifest: &Value) -> Answer {
        let kind = manifest["mediaType"].as_str().unwrap();
        let path = format!("/v2/{name}/manifests/{tag}");
        self.send("PUT", &path, &[("content-type", kind)], manifest.to_string().as_bytes())
    }

    /// An image of these layers, uncompressed tar each; its digest.
    pub(crate) fn push_image(
        &self,
        name: &str,
        tag: &str,
        config: &Value,
        layers: &[Vec<u8>],
    ) -> String {
        let config = json!({
            "os": "linux", "architecture": "amd64", "config": config,
            "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|l| digest(l)).collect::<Vec<_>>() },
        })
        .to_string();
        let descriptor = |kind: &str, content: &[u8]| {
            json!({
                "mediaType": format!("application/vnd.oci.image.{kind}"),
                "digest": self.push_blob(name, content), "size": content.len(),
            })
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor("config.v1+json", config.as_bytes()),
            "layers": layers.iter().map(|l| descriptor("layer.v1.tar", l)).collect::<Vec<_>>(),
        });
        let answer = self.push_manifest(name, tag, &manifest);
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        answer.header("docker-content-digest").unwrap().to_owned()
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            self.runtime.block_on(emulator.stop());
        }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|err| panic!("{err}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The status, and the code of the one error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let json = self.json();
        let errors = json["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1);
        assert!(errors[0]["message"].is_string());
        (self.status, errors[0]["code"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold("sha256:".to_owned(), |mut all, byte| {
        write!(all, "{byte:02x}").unwrap();
        all
    })
}

/// A layer, in the order given.
pub(crate) fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}
