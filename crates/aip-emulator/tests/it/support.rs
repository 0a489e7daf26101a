//! A real server on a free port, and a client that shares nothing with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use aip_emulator::{Config, Emulator, Options};
use serde_json::Value;
use tokio::runtime::Runtime;

pub(crate) struct Server {
    pub(crate) url: String,
    emulator: Option<Emulator>,
    runtime: Runtime,
    agent: ureq::Agent,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Server {
    /// With one bucket, `bkt`.
    pub(crate) fn start() -> Self {
        let server = Self::start_with(None, Options::default());
        assert_eq!(server.post("/storage/v1/b?project=p", r#"{"name":"bkt"}"#).status, 200);
        server
    }

    pub(crate) fn start_with(data_dir: Option<&Path>, options: Options) -> Self {
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
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        Self { url: emulator.url(), emulator: Some(emulator), runtime, agent }
    }

    pub(crate) fn try_call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let mut request = ureq::http::Request::builder().method(method).uri(url);
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

    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_call(method, path, headers, body).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], b"")
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, json: &str) -> Answer {
        self.call("POST", path, &[("content-type", "application/json")], json.as_bytes())
    }

    /// A simple upload of `content` as `name`, which is percent-encoded already.
    pub(crate) fn put_object(&self, name: &str, content: &[u8]) -> Answer {
        let path = format!("/upload/storage/v1/b/bkt/o?uploadType=media&name={name}");
        self.call("POST", &path, &[("content-type", "text/plain")], content)
    }

    /// The content of `name`.
    pub(crate) fn media(&self, name: &str) -> Answer {
        self.get(&format!("/storage/v1/b/bkt/o/{name}?alt=media"))
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

    /// The reason of an error, after a look at its envelope.
    pub(crate) fn reason(&self) -> String {
        let json = self.json();
        let error = &json["error"];
        assert_eq!(error["code"], self.status);
        assert_eq!(error["errors"][0]["message"], error["message"]);
        assert_eq!(error["errors"][0]["domain"], "global");
        error["errors"][0]["reason"].as_str().unwrap().to_owned()
    }
}

/// Bytes that do not repeat.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(next).collect()
}

pub(crate) fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| text(&item["name"]).to_owned()).collect()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(crate) fn number(value: &Value) -> i64 {
    text(value).parse().unwrap()
}
