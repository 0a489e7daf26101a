//! Vertex AI as a client sees it, with an image to deploy.

use std::path::Path;
use std::time::{Duration, Instant};

use aip_emulator::Options;
use serde_json::{Value, json};

use crate::server::{Server, tar};

const MAIN: &str = include_str!("server.py");

pub(crate) const PLACE: &str = "/v1/projects/acme/locations/us-central1";

pub(crate) struct Vertex {
    pub(crate) server: Server,
}

impl Vertex {
    pub(crate) fn start() -> Self {
        Self { server: Server::start() }
    }

    pub(crate) fn start_in(dir: &Path) -> Self {
        Self { server: Server::start_with(Some(dir), Options::default()) }
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json")];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = self.server.send(method, path, &headers, &body);
        (answer.status, answer.json())
    }

    pub(crate) fn get(&self, name: &str) -> Value {
        let (status, body) = self.send("GET", &format!("{PLACE}/{name}"), &Value::Null);
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(crate) fn post(&self, name: &str, body: &Value) -> (u16, Value) {
        self.send("POST", &format!("{PLACE}/{name}"), body)
    }

    /// The status and the message of a refusal.
    pub(crate) fn refused(&self, method: &str, name: &str, body: &Value) -> (u16, String) {
        let (status, body) = self.send(method, &format!("{PLACE}/{name}"), body);
        assert_eq!(body["error"]["code"], status, "{body}");
        (status, body["error"]["message"].as_str().unwrap().to_owned())
    }

    /// The operation's end.
    pub(crate) fn wait(&self, (status, operation): (u16, Value)) -> Value {
        assert_eq!(status, 200, "{operation}");
        let path = format!("/v1/{}", operation["name"].as_str().unwrap());
        let start = Instant::now();
        loop {
            let (status, operation) = self.send("GET", &path, &Value::Null);
            assert_eq!(status, 200, "{operation}");
            if operation["done"] == true {
                return operation;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{operation}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The response of the operation.
    pub(crate) fn done(&self, answer: (u16, Value)) -> Value {
        let operation = self.wait(answer);
        assert!(operation.get("error").is_none(), "{operation}");
        operation["response"].clone()
    }

    /// An image of the server, as aip-bundle would make it; its URI.
    pub(crate) fn push(&self) -> String {
        let print = "import sys; print('PYTHON_VERSION=%d.%d.%d' % sys.version_info[:3])";
        let printed = std::process::Command::new("python3").args(["-c", print]).output().unwrap();
        let version = String::from_utf8(printed.stdout).unwrap().trim().to_owned();
        let config = json!({
            "Entrypoint": ["python3", "/opt/app/main"],
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", version],
        });
        let layers = [tar(&[("README", "base")]), tar(&[("opt/app/main/__main__.py", MAIN)])];
        self.server.push_image("acme/models/iris", "v1", &config, &layers);
        format!("{}/acme/models/iris:v1", self.server.host())
    }

    /// A model of that image, with these environment variables.
    pub(crate) fn model(&self, id: &str, env: &[(&str, &str)]) -> Value {
        let body = json!({ "model": self.spec(id, env), "modelId": id });
        self.done(self.post("models:upload", &body))
    }

    pub(crate) fn spec(&self, name: &str, env: &[(&str, &str)]) -> Value {
        let env: Vec<Value> =
            env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let container = json!({
            "imageUri": self.push(), "env": env, "predictRoute": "/predict",
            "healthRoute": "/health", "deploymentTimeout": "30s",
        });
        json!({ "displayName": name, "containerSpec": container })
    }

    pub(crate) fn endpoint(&self, id: &str, fields: &Value) {
        let mut body = json!({ "displayName": id });
        body.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
        self.done(self.post(&format!("endpoints?endpointId={id}"), &body));
    }

    pub(crate) fn deploy(&self, endpoint: &str, id: &str, model: &str, split: &Value) -> Value {
        self.wait(
            self.post(&format!("endpoints/{endpoint}:deployModel"), &deploy(id, model, split)),
        )
    }

    /// An endpoint 'iris' that serves a model of the same name.
    pub(crate) fn serve(&self, env: &[(&str, &str)]) {
        self.model("iris", env);
        self.endpoint("iris", &json!({}));
        let done = self.deploy("iris", "1", "iris", &json!({ "0": 100 }));
        assert!(done.get("error").is_none(), "{done}");
    }

    pub(crate) fn predict(&self, endpoint: &str, body: &Value) -> (u16, Value) {
        self.post(&format!("endpoints/{endpoint}:predict"), body)
    }

    /// Puts an object into a bucket, which is made if need be.
    pub(crate) fn put(&self, bucket: &str, name: &str, content: &str) {
        self.send("POST", "/storage/v1/b?project=acme", &json!({ "name": bucket }));
        let name = name.replace('/', "%2F");
        let path = format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}");
        assert_eq!(self.server.send("POST", &path, &[], content.as_bytes()).status, 200);
    }
}

pub(crate) fn deploy(id: &str, model: &str, split: &Value) -> Value {
    let resources = json!({ "machineSpec": {}, "minReplicaCount": 1 });
    json!({
        "deployedModel": {
            "id": id, "model": format!("projects/acme/locations/us-central1/models/{model}"),
            "dedicatedResources": resources,
        },
        "trafficSplit": split,
    })
}
