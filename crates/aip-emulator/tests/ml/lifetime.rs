//! What outlives what: versions the bucket and the emulator, workers nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Emulator;

/// The processes that were started from below this directory.
fn processes(dir: &Path) -> usize {
    let dir = dir.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        command.contains(dir) && !command.contains("--data-dir")
    })
    .count()
}

fn is_gone(is_gone: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !is_gone() {
        if start.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn a_version_outlives_its_bucket_and_the_emulator() {
    let (emulator, dir) = Emulator::with_model();
    emulator.deploy(&emulator.version("v1"));
    emulator.upload("route/model/factor.txt", b"99");
    let gone = "/storage/v1/b/bucket/o/route%2Fpackage-1.tar.gz";
    assert_eq!(emulator.send("DELETE", gone, b"").0, 204);
    let (_, before) = emulator.get("/v1/projects/p/models/iris");
    emulator.terminate();
    assert!(is_gone(|| processes(dir.path()) == 0));

    let emulator = Emulator::start(dir.path(), &[]);
    assert_eq!(emulator.get("/v1/projects/p/models/iris").1, before);
    let (_, operations) = emulator.get("/v1/projects/p/operations");
    assert_eq!(operations["operations"].as_array().map(Vec::len), Some(1));
    let (status, answer) = emulator.predict("v1", &json!({"instances": [[1]]}));
    assert_eq!((status, answer), (200, json!({"predictions": [3]})));
}

#[test]
fn an_environment_that_is_gone_is_made_again() {
    let (emulator, dir) = Emulator::with_model();
    let deployed = emulator.deploy(&emulator.version("v1"));
    emulator.terminate();
    let catalog = dir.path().join("ml/catalog.json");
    let text = std::fs::read_to_string(&catalog).unwrap();
    let before: Value = serde_json::from_str(&text).unwrap();
    let runtime = &before["projects"]["p"]["models"]["iris"]["versions"]["v1"]["runtime"];
    assert!(runtime.as_str().is_some_and(|path| Path::new(path).exists()), "{deployed}");
    std::fs::write(&catalog, text.replace(runtime.as_str().unwrap(), "/nowhere/bin/python"))
        .unwrap();

    let emulator = Emulator::start(dir.path(), &[]);
    let (status, answer) = emulator.predict("v1", &json!({"instances": [[1]]}));
    assert_eq!((status, answer), (200, json!({"predictions": [3]})));
}

#[test]
fn a_killed_emulator_leaves_no_process_and_no_version_half_made() {
    let (emulator, dir) = Emulator::with_model();
    emulator.deploy(&emulator.version("v1"));
    let url = emulator.url.clone();
    let busy = std::thread::spawn(move || {
        let body = json!({"instances": [], "mode": "hang"}).to_string();
        ureq::post(format!("{url}/v1/projects/p/models/iris:predict")).send(body).is_err()
    });
    assert!(is_gone(|| processes(dir.path()) == 1));
    std::thread::sleep(Duration::from_millis(200));
    let (_, operation) =
        emulator.post("/v1/projects/p/models/iris/versions", &emulator.version("v2"));
    emulator.kill();
    assert!(busy.join().unwrap());
    assert!(is_gone(|| processes(dir.path()) == 0), "a worker is left");

    let emulator = Emulator::start(dir.path(), &[]);
    assert_eq!(emulator.wait(&operation)["error"]["code"], 14);
    let (_, version) = emulator.get("/v1/projects/p/models/iris/versions/v2");
    assert_eq!(version["state"], "FAILED");
}

#[test]
fn deleting_a_version_removes_its_process_and_its_files() {
    let (emulator, dir) = Emulator::with_model();
    emulator.deploy(&emulator.version("v1"));
    assert_eq!(processes(dir.path()), 1);
    let (_, operation) = emulator.send("DELETE", "/v1/projects/p/models/iris/versions/v1", b"");
    emulator.wait(&operation);
    assert_eq!(processes(dir.path()), 0);
    let left = std::fs::read_dir(dir.path().join("ml/deployed/p/iris")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_strict_emulator_runs_what_the_service_ran() {
    let dir = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(dir.path(), &["--strict-runtime"]);
    assert_eq!(emulator.post("/v1/projects/p/models", &json!({"name": "iris"})).0, 200);
    let mut version = emulator.version("v1");
    version["pythonVersion"] = "3.11".into();
    let (status, answer) = emulator.post("/v1/projects/p/models/iris/versions", &version);
    let text = "Python version 3.11 is not supported with runtime version 2.3.";
    assert_eq!(status, 400);
    assert!(answer["error"]["message"].as_str().unwrap().ends_with(text), "{answer}");
}
