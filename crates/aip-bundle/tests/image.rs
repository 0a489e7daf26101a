//! What the image is made of, and what is made only once.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not beside them")]

mod scratch;
mod vertex;

use std::fs;
use std::process::Command;

use oci::Layout;
use scratch::content;
use serde_json::{Value, json};
use vertex::{Vertex, base, directory};

/// Paths and contents of a layer's files.
fn layer(layout: &Layout, index: usize) -> Vec<(String, String)> {
    let image = layout.read().unwrap();
    let blob = layout.blobs().path(&image.manifest.layers[index].digest);
    let gzip = flate2::read::GzDecoder::new(fs::File::open(blob).unwrap());
    let mut archive = tar::Archive::new(gzip);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.header().entry_type().is_file());
    files
        .map(|mut entry| {
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
            (path, text)
        })
        .collect()
}

#[test]
fn the_image_is_base_dependencies_package_and_model() {
    let vertex = Vertex::new();
    let bundle = vertex.bundle(&[]);
    let layout = Layout::new(&directory(&bundle).join("image"));
    let image = layout.read().unwrap();
    assert_eq!(bundle["image"]["digest"], image.digest.to_string());
    assert_eq!(bundle["image"]["size"], json!(image.manifest.size()));
    assert_eq!(image.manifest.layers.len(), 4);
    assert_eq!(image.config.rootfs.diff_ids.len(), 4);

    assert_eq!(layer(&layout, 0), [("etc/os-release".into(), "ID=test\n".into())]);
    assert_eq!(
        layer(&layout, 1),
        [
            ("opt/mlflow-aip/site/a-1.dist-info/RECORD".into(), "a/__init__.py,,\n".into()),
            ("opt/mlflow-aip/site/a/__init__.py".into(), "import sys\n".into()),
        ],
        "nothing of this machine"
    );
    let package: Vec<_> = layer(&layout, 2).into_iter().map(|(path, _)| path).collect();
    assert!(package.contains(&"opt/mlflow-aip/app/mlflow_aip_serving/__main__.py".into()));
    assert!(package.contains(&"opt/mlflow-aip/app/predictor.py".into()), "{package:?}");
    let model = layer(&layout, 3);
    assert_eq!(model[1], ("opt/mlflow-aip/model/data/model.pkl".into(), "pickle".into()));

    let config = serde_json::to_value(&image.config).unwrap();
    assert_eq!(config["architecture"], "amd64");
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    let config = &config["config"];
    assert_eq!(config["User"], "65534:65534");
    assert_eq!(config["Entrypoint"], json!(["python3", "/opt/mlflow-aip/app/mlflow_aip_serving"]));
    assert_eq!(config.get("Cmd"), None, "the base's would be arguments of ours");
    assert_eq!(config["ExposedPorts"], json!({"8080/tcp": {}}));
    assert_eq!(
        config["Env"],
        json!([
            "PATH=/bin",
            "PYTHON_VERSION=3.11.9",
            "MLFLOW_AIP_PREDICTION_CLASS=predictor.Predictor",
            "PYTHONUNBUFFERED=1"
        ])
    );
    assert_eq!(config["Labels"]["org.opencontainers.image.title"], "iris");
}

#[test]
fn the_document_and_the_manifest_say_what_is_on_disk() {
    let vertex = Vertex::new();
    let bundle = vertex.bundle(&["--bucket", "acme"]);
    assert_eq!(bundle["image"]["embedsModel"], false, "it will lie in the bucket");
    let routes = ["predictRoute", "healthRoute", "port"].map(|key| bundle["image"][key].clone());
    assert_eq!(routes, [json!("/predict"), json!("/health"), json!(8080)]);
    let directory = directory(&bundle);
    assert_eq!(Layout::new(&directory.join("image")).read().unwrap().manifest.layers.len(), 3);

    let manifest = fs::read(directory.join("bundle.json")).unwrap();
    assert_eq!(bundle["digest"], checksum::Digest::of_bytes(&manifest).sha256);
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["image"]["digest"], bundle["image"]["digest"]);
    assert_eq!(manifest["image"]["base"], bundle["image"]["base"]);
    for file in manifest["files"].as_array().unwrap() {
        let bytes = fs::read(directory.join(file["path"].as_str().unwrap())).unwrap();
        assert_eq!(file["sha256"], checksum::Digest::of_bytes(&bytes).sha256, "{file}");
    }
    for part in ["sdist", "wheel", "lock"] {
        let entry = |file: &&Value| file["path"] == bundle[part]["path"];
        assert!(manifest["files"].as_array().unwrap().iter().any(|file| entry(&file)), "{part}");
    }
    let lock = fs::read_to_string(directory.join("requirements.lock")).unwrap();
    let first = lock.lines().nth(2).unwrap();
    assert_eq!(first, "mlflow-skinny==3.17.2 --hash=sha256:00", "and no index: {lock}");
    let dockerfile = fs::read_to_string(directory.join("Dockerfile")).unwrap();
    assert!(dockerfile.contains("\nFROM docker.io/library/python:3.11-slim\n"), "{dockerfile}");
    assert!(directory.join("cloudbuild.json").is_file());
}

#[test]
fn equal_requirements_cost_nothing_twice() {
    let mut vertex = Vertex::new();
    let first = vertex.bundle(&["--version-name", "v1"]);
    assert_eq!(vertex.asked(), ["pip compile", "pip compile", "pip install"]);
    let again = vertex.bundle(&["--version-name", "v1"]);
    assert_eq!(first, again, "a second run says the same");

    // Another model with the same requirements.
    let requirements = fs::read_to_string(vertex.scratch.path("model/requirements.txt")).unwrap();
    let files = [("MLmodel", ""), ("requirements.txt", &requirements), ("data/model.pkl", "2")];
    vertex.scratch.set_model(&files);
    let other = vertex.bundle(&["--version-name", "v2"]);
    assert_eq!(vertex.asked().len(), 3, "uv is not asked again");
    assert_ne!(first["image"]["digest"], other["image"]["digest"]);
    let layers = |bundle: &Value| {
        Layout::new(&directory(bundle).join("image")).read().unwrap().manifest.layers
    };
    assert_eq!(layers(&first)[..2], layers(&other)[..2]);

    vertex.bundle(&["--version-name", "v1", "--upgrade"]);
    assert_eq!(
        vertex.asked()[3..],
        ["pip compile", "pip compile"],
        "the same lock, the same layer"
    );
    vertex.bundle(&["--version-name", "v1", "--requirement", "b==2"]);
    assert_eq!(vertex.asked()[5..], ["pip compile", "pip compile", "pip install"]);
}

#[test]
fn digests_repeat_on_any_machine() {
    let (one, other) = (Vertex::new(), Vertex::new());
    let first = one.bundle(&["--output", "a"]);
    fs::write(other.scratch.path("in.json"), other.scratch.document.to_string()).unwrap();
    let command = format!(
        "umask 077; exec {} -q --target vertex --base-image oci:../base --output ../b/c <../in.json",
        env!("CARGO_BIN_EXE_aip-bundle")
    );
    fs::create_dir(other.scratch.path("elsewhere")).unwrap();
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(other.scratch.path("elsewhere"))
        .envs([("TZ", "Asia/Tokyo"), ("USER", "somebody"), ("LANG", "de_DE.UTF-8")])
        .env("tmp_dir", other.scratch.path("cache of another"))
        .env("UV", other.scratch.path("uv"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let second = &document["stages"]["bundle"];
    assert_eq!(first["image"]["digest"], second["image"]["digest"]);
    assert_eq!(first["digest"], second["digest"]);
    let (here, there) = (content(&one.scratch.path("a")), content(&other.scratch.path("b/c")));
    assert_eq!(here, there, "names, modes and bytes");

    let lock = one.scratch.path("a/requirements.lock");
    let locked = other.bundle(&["--lock", lock.to_str().unwrap()]);
    assert_eq!(locked["image"]["digest"], first["image"]["digest"]);
}

#[test]
fn two_at_once_install_once() {
    let vertex = Vertex::new();
    std::thread::scope(|scope| {
        let runs: Vec<_> = ["v1", "v2", "v3"]
            .map(|name| scope.spawn(|| vertex.bundle(&["--version-name", name])))
            .into();
        for run in runs {
            run.join().unwrap();
        }
    });
    let installs = vertex.asked().iter().filter(|asked| *asked == "pip install").count();
    assert_eq!(installs, 1, "{:?}", vertex.asked());
    let left = fs::read_dir(vertex.scratch.path("kept/cache")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_str().unwrap().starts_with('.')), "{names:?}");
}

#[test]
fn what_the_model_answers_is_recorded() {
    let said = Command::new("python3")
        .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        .output();
    let minor = said.map(|said| String::from_utf8(said.stdout).unwrap().trim().to_owned());
    let Ok(minor) = minor else { return };
    let mut vertex = Vertex::new();
    base(&vertex.scratch.path("base"), "amd64", &minor);
    let example = json!({"dataframe_split": {"columns": ["x"], "data": [[1.50], [2]]}});
    vertex.scratch.set_model(&[("MLmodel", ""), ("example.json", &example.to_string())]);
    let text = "import a\nclass Predictor(object):\n    @classmethod\n    def from_path(cls, d):\n        \
                return cls()\n    def predict(self, instances, **kwargs):\n        \
                return [i['x'] * 2 for i in instances]\n";
    fs::write(vertex.scratch.path("mine.py"), text).unwrap();
    let fetch = &mut vertex.scratch.document["stages"]["fetch"];
    fetch["inputExample"] = json!({"path": "example.json"});
    fetch["pythonVersion"] = json!(minor);
    let args = ["--no-requirements", "--prediction-script", "mine.py"];
    let bundle = vertex.bundle(&args);
    let expected = fs::read_to_string(directory(&bundle).join("expected.json")).unwrap();
    assert_eq!(expected, "{\"instances\":[{\"x\":1.5},{\"x\":2}],\"predictions\":[3.0,4]}\n");
    assert_eq!(bundle["expected"]["path"], "expected.json");

    // It is asked once: what is kept is taken for its answer.
    let kept = fs::read_dir(vertex.scratch.path("kept/cache/answers")).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    fs::write(&kept[0], "{\"predictions\":[]}").unwrap();
    let again = vertex.bundle(&args);
    let expected = fs::read_to_string(directory(&again).join("expected.json")).unwrap();
    assert_eq!(expected, "{\"predictions\":[]}\n");

    let without = vertex.bundle(&[&args[..], &["--no-expected"]].concat());
    assert_eq!(without["digest"], bundle["digest"], "it is no part of what is deployed");

    fs::write(vertex.scratch.path("mine.py"), text.replace("import a", "import nothing")).unwrap();
    let outcome = vertex.run(&args);
    assert_eq!(outcome.status, 0);
    let message = "its own input example: ModuleNotFoundError: No module named 'nothing'\n";
    assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
}
