//! Images that Cloud Build makes.

use std::io::Write as _;
use std::time::{Duration, Instant};

use aip_emulator::container::Launch;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::{Server, digest};

const DOCKERFILE: &str = "\
# As a bundle has it
FROM BASE

COPY dist/app-1-py3-none-any.whl /tmp/
RUN python3 -m zipfile -e /tmp/app-1-py3-none-any.whl /opt/app && rm /tmp/app-1-py3-none-any.whl
COPY requirements.lock /opt/
RUN python3 -m pip install --no-cache-dir --no-compile --no-deps --require-hashes \\
    --target /opt/site -r /opt/requirements.lock
COPY model /opt/model
ENV A=b

USER 65534:65534
EXPOSE 8080
ENTRYPOINT [\"python3\", \"/opt/app/main\"]
";

/// This machine's `python3`, as the stand-ins call it.
fn python() -> String {
    let print = "import sys; print('%d.%d' % sys.version_info[:2], end='')";
    let printed = std::process::Command::new("python3").args(["-c", print]).output().unwrap();
    String::from_utf8(printed.stdout).unwrap()
}

/// A zip of one file that is stored as it is.
fn wheel() -> Vec<u8> {
    let script = "import io, sys, zipfile\n\
                  with zipfile.ZipFile(sys.stdout.buffer, 'w') as wheel:\n    \
                  wheel.writestr(zipfile.ZipInfo('main/__main__.py'), 'print(open(\"/\".join(__file__.split(\"/\")[:-3]) \
                  + \"/model/data\").read())')";
    std::process::Command::new("python3").args(["-c", script]).output().unwrap().stdout
}

/// Uploads a source and gives the build of it.
fn source(server: &Server, dockerfile: &str) -> Value {
    let base = format!("{}/library/python:{}-slim", server.host(), python());
    let wheel = wheel();
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in [
        ("Dockerfile", dockerfile.replace("BASE", &base).as_bytes()),
        ("dist/app-1-py3-none-any.whl", &wheel),
        ("requirements.lock", b"# nothing\n"),
        ("model/data", b"the model"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).unwrap();
    }
    let mut gzip = archive.into_inner().unwrap();
    gzip.flush().unwrap();
    let json_type = [("content-type", "application/json")];
    server.send("POST", "/storage/v1/b?project=p", &json_type, br#"{"name":"bkt"}"#);
    let upload = "/upload/storage/v1/b/bkt/o?uploadType=media&name=source.tar.gz";
    let object = server.send("POST", upload, &[], &gzip.finish().unwrap()).json();
    json!({
        "source": {"storageSource": {
            "bucket": "bkt", "object": "source.tar.gz", "generation": object["generation"],
        }},
        "steps": [{
            "name": "gcr.io/cloud-builders/docker",
            "args": ["build", "--platform=linux/amd64", "--tag", "${_IMAGE}", "."],
        }],
        "images": ["${_IMAGE}"],
        "substitutions": {"_IMAGE": format!("{}/p/r/iris:v1", server.host())},
        "tags": ["bundle-1"],
        "options": {"logging": "CLOUD_LOGGING_ONLY"},
    })
}

fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let json_type = [("content-type", "application/json")];
    let answer = server.send("POST", path, &json_type, body.to_string().as_bytes());
    (answer.status, answer.json())
}

/// Begins a build and gives its operation when that is done.
fn build(server: &Server, path: &str, body: &Value) -> Value {
    let (status, begun) = post(server, path, body);
    assert_eq!(status, 200, "{begun}");
    let name = begun["name"].as_str().unwrap();
    let start = Instant::now();
    loop {
        let operation = server.get(&format!("/v1/{name}")).json();
        if operation["done"] == true {
            return operation;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{operation}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_bundle_becomes_an_image_that_runs() {
    let server = Server::start();
    let regional = "/v1/projects/p/locations/us-central1/builds";
    let operation = build(&server, regional, &source(&server, DOCKERFILE));
    let built = &operation["response"]["results"]["images"][0];
    let uri = format!("{}/p/r/iris", server.host());
    assert_eq!(built["name"], format!("{uri}:v1"), "{operation}");
    let manifest = server.get("/v2/p/r/iris/manifests/v1").body;
    assert_eq!(built["digest"], digest(&manifest));
    let image = server.app().registry.image(&format!("{uri}:v1")).unwrap();
    let config = &image.config;
    assert!(config.env.as_ref().unwrap().contains(&"A=b".to_owned()));
    assert_eq!((config.user.as_str(), &config.cmd), ("65534:65534", &None));
    let launch = Launch { label: "built".to_owned(), ..Launch::default() };
    let container = server.block_on(server.app().containers.start(&image, launch)).unwrap();
    while container.is_alive() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(container.log_tail(), ["the model"]);
    // The same source gives the same layers
    let again = build(&server, "/v1/projects/p/builds", &source(&server, DOCKERFILE));
    assert_eq!(&again["response"]["results"]["images"][0]["digest"], &built["digest"]);
}

#[test]
fn other_builds_are_refused_with_the_line() {
    let server = Server::start();
    let path = "/v1/projects/p/builds";
    for (dockerfile, said) in [
        (
            DOCKERFILE.replace("COPY requirements", "RUN apt-get update\nCOPY requirements"),
            "line 6: ",
        ),
        (DOCKERFILE.replace("FROM BASE", "FROM docker.io/library/node:22"), "FROM: "),
        (DOCKERFILE.replace("COPY model", "COPY models"), "there is no 'models'"),
        (DOCKERFILE.replace("/tmp/app-1", "/tmp/app-2"), "there is no '/tmp/app-2"),
    ] {
        let operation = build(&server, path, &source(&server, &dockerfile));
        let failed = &operation["metadata"]["build"];
        assert_eq!(failed["status"], "FAILURE");
        let detail = failed["statusDetail"].as_str().unwrap();
        assert!(detail.starts_with("the emulator runs no Docker build: step 0: Dockerfile: "));
        assert!(detail.contains(said), "{detail}");
        assert!(operation["error"]["message"].as_str().unwrap().contains(said));
    }
    let mut other = source(&server, DOCKERFILE);
    other["steps"][0]["name"] = "gcr.io/kaniko-project/executor".into();
    other["steps"][0]["args"] = json!(["--destination=${_IMAGE}"]);
    let failed = build(&server, path, &other);
    assert!(failed.to_string().contains("there is no builder"), "{failed}");
    let mut gone = source(&server, DOCKERFILE);
    gone["source"]["storageSource"]["generation"] = "1".into();
    let failed = build(&server, path, &gone);
    assert_eq!(failed["metadata"]["build"]["failureInfo"]["type"], "FETCH_SOURCE_FAILED");
    let mut unnamed = source(&server, DOCKERFILE);
    unnamed["images"] = json!(["${_IMAGE}", "h.example/other"]);
    let failed = build(&server, path, &unnamed);
    assert_eq!(failed["metadata"]["build"]["failureInfo"]["type"], "PUSH_IMAGE_NOT_FOUND");
}

#[test]
fn builds_are_listed_found_and_cancelled() {
    let server = Server::start();
    let path = "/v1/projects/p/locations/l/builds";
    let mut body = source(&server, DOCKERFILE);
    let id = build(&server, path, &body)["metadata"]["build"]["id"].clone();
    let id = id.as_str().unwrap();
    body["tags"] = json!([]);
    build(&server, path, &body);
    let tagged = server.get(&format!("{path}?filter=tags%3D%22bundle-1%22")).json();
    let found: Vec<&Value> = tagged["builds"].as_array().unwrap().iter().collect();
    assert_eq!((found.len(), &found[0]["id"]), (1, &id.into()));
    assert_eq!(server.get(path).json()["builds"].as_array().unwrap().len(), 2);
    assert_eq!(server.get(&format!("{path}/{id}")).json()["status"], "SUCCESS");
    assert_eq!(server.get("/v1/projects/p/locations/other/builds").json(), json!({}));
    assert_eq!(server.get(&format!("/v1/projects/q/locations/l/builds/{id}")).status, 404);
    assert_eq!(post(&server, &format!("{path}/{id}:cancel"), &json!({})).0, 400);
    assert_eq!(post(&server, path, &json!({"steps": [], "bogus": 1})).0, 400);
}
