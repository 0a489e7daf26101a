//! Deployments: what runs, for how long, and what is said when it does not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PLACE, Vertex, deploy};

#[test]
fn a_deployment_runs_by_the_contract() {
    let vertex = Vertex::start();
    vertex.put("bucket", "models/iris/weights.txt", "3");
    let mut spec = vertex.spec("iris", &[("MINE", "$(AIP_PROJECT_NUMBER)")]);
    spec["artifactUri"] = "gs://bucket/models/iris".into();
    vertex.done(vertex.post("models:upload", &json!({ "model": spec, "modelId": "iris" })));
    vertex.endpoint("ep", &json!({}));
    // The service has a copy of its own.
    vertex.put("bucket", "models/iris/weights.txt", "99");
    let done = vertex.deploy("ep", "77", "iris@default", &json!({ "0": 100 }));
    assert_eq!(done["metadata"]["deploymentStage"], "SUCCESSFULLY_DEPLOYED", "{done}");
    let deployed = &done["response"]["deployedModel"];
    assert_eq!((&deployed["id"], &deployed["modelVersionId"]), (&json!("77"), &json!("1")));
    let endpoint = vertex.get("endpoints/ep");
    assert_eq!(endpoint["trafficSplit"], json!({ "77": 100 }));
    assert_eq!(endpoint["deployedModels"][0], *deployed);
    assert_eq!(vertex.get("models/iris")["deployedModels"][0]["deployedModelId"], "77");

    let (status, answer) = vertex.predict("ep", &json!({ "instances": [2] }));
    assert_eq!((status, &answer["predictions"]), (200, &json!([6])), "{answer}");
    let ask = json!({ "instances": [], "parameters": { "do": "env" } });
    let env = vertex.predict("ep", &ask).1["predictions"][0].clone();
    let number = endpoint["name"].as_str().unwrap().split('/').nth(1).unwrap().to_owned();
    for (name, value) in [
        ("AIP_DEPLOYED_MODEL_ID", "77"),
        ("AIP_ENDPOINT_ID", "ep"),
        ("AIP_FRAMEWORK", "CUSTOM_CONTAINER"),
        ("AIP_HEALTH_ROUTE", "/health"),
        ("AIP_MACHINE_TYPE", "n1-standard-2"),
        ("AIP_MODE", "PREDICTION"),
        ("AIP_MODEL_NAME", "ep"),
        ("AIP_PREDICT_ROUTE", "/predict"),
        ("AIP_PROJECT_NUMBER", &number),
        ("AIP_VERSION_NAME", "77"),
        ("GOOGLE_CLOUD_PROJECT", "acme"),
        ("MINE", &number),
    ] {
        assert_eq!(env[name], value, "{name}");
    }
    assert!(env["AIP_STORAGE_URI"].as_str().unwrap().starts_with("gs://caip-tenant-"));

    for (method, name) in [("DELETE", "models/iris"), ("DELETE", "endpoints/ep")] {
        let (status, text) = vertex.refused(method, name, &Value::Null);
        assert!(status == 400 && text.contains("deployed"), "{text}");
    }
    let undeploy = json!({ "deployedModelId": "77" });
    vertex.done(vertex.post("endpoints/ep:undeployModel", &undeploy));
    assert_eq!(vertex.get("endpoints/ep").get("trafficSplit"), None);
    vertex.done(vertex.send("DELETE", &format!("{PLACE}/endpoints/ep"), &Value::Null));
    vertex.done(vertex.send("DELETE", &format!("{PLACE}/models/iris"), &Value::Null));
}

#[test]
fn a_server_that_ends_fails_the_deployment_and_leaves_its_words() {
    let vertex = Vertex::start();
    vertex.model("iris", &[("CRASH", "1")]);
    vertex.endpoint("ep", &json!({}));
    let done = vertex.deploy("ep", "77", "iris", &json!({}));
    assert_eq!(
        (&done["error"]["code"], &done["metadata"]["deploymentStage"]),
        (&json!(9), &json!("FAILED_TO_DEPLOY")),
        "{done}"
    );
    let text = done["error"]["message"].as_str().unwrap();
    let start = "Model server exited unexpectedly. Model server logs can be found at https://";
    assert!(text.starts_with(start) && text.contains("endpoint_id%3D%22ep%22"), "{text}");
    assert_eq!(vertex.get("endpoints/ep").get("deployedModels"), None);

    let filter = "resource.type=\"aiplatform.googleapis.com/Endpoint\" AND \
                  resource.labels.endpoint_id=\"ep\"";
    let body = json!({ "resourceNames": ["projects/acme"], "filter": filter });
    let (status, logs) = vertex.send("POST", "/v2/entries:list", &body);
    assert_eq!(status, 200);
    let entries = logs["entries"].as_array().unwrap();
    let lines: Vec<_> = entries.iter().map(|e| e["textPayload"].as_str().unwrap()).collect();
    assert_eq!(lines.len(), 2, "{logs}");
    assert!(lines.contains(&"about to load the model"));
    let error = entries.iter().find(|e| e["severity"] == "ERROR").unwrap();
    assert_eq!(error["textPayload"], "ModuleNotFoundError: No module named 'nothing'");
    assert_eq!(error["labels"]["deployed_model_id"], "77");
    let others = json!({ "resourceNames": ["projects/other"] });
    assert_eq!(vertex.send("POST", "/v2/entries:list", &others).1, json!({}));
}

#[test]
fn images_that_are_not_there_and_servers_that_are_never_ready() {
    let vertex = Vertex::start();
    vertex.endpoint("ep", &json!({}));
    let mut spec = vertex.spec("iris", &[("UNHEALTHY", "1")]);
    spec["containerSpec"]["deploymentTimeout"] = "1s".into();
    let upload = |id: &str, spec: &Value| {
        vertex.done(vertex.post("models:upload", &json!({ "model": spec, "modelId": id })));
    };
    upload("sick", &spec);
    let done = vertex.deploy("ep", "1", "sick", &json!({}));
    let text = done["error"]["message"].as_str().unwrap();
    assert!(text.starts_with("Model server never became ready. Please validate"), "{text}");
    spec["containerSpec"]["imageUri"] =
        "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest".into();
    upload("prebuilt", &spec);
    let done = vertex.deploy("ep", "1", "prebuilt", &json!({}));
    let text = done["error"]["message"].as_str().unwrap();
    assert!(text.contains("sklearn-cpu.1-6:latest' not found"), "{text}");
}

#[test]
fn deployments_that_the_service_refuses() {
    let vertex = Vertex::start();
    vertex.model("iris", &[]);
    vertex.endpoint("ep", &json!({}));
    let with = |path: &str, value: Value| {
        let mut body = deploy("1", "iris", &json!({}));
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    for (body, part) in [
        (json!({}), "deployed_model is required"),
        (with("/deployedModel/id", "12345678901".into()), "1-10 digits"),
        (
            with("/deployedModel/model", "projects/acme/locations/eu/models/iris".into()),
            "not found",
        ),
        (
            with(
                "/deployedModel/model",
                "projects/acme/locations/us-central1/models/iris@9".into(),
            ),
            "not found",
        ),
        (with("/deployedModel/dedicatedResources", Value::Null), "dedicated_resources"),
        (with("/deployedModel/dedicatedResources/minReplicaCount", 0.into()), "min_replica_count"),
        (with("/trafficSplit", json!({ "0": 90 })), "100"),
        (with("/trafficSplit", json!({ "5": 100 })), "[5] do not exist"),
    ] {
        let (status, text) = vertex.refused("POST", "endpoints/ep:deployModel", &body);
        assert!(matches!(status, 400 | 404) && text.contains(part), "{body}: {text}");
    }
}

#[test]
fn what_is_deployed_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let vertex = Vertex::start_in(dir.path());
    vertex.serve(&[("WEIGHTS", "5")]);
    let before = vertex.get("endpoints/iris");
    drop(vertex);
    let vertex = Vertex::start_in(dir.path());
    assert_eq!(vertex.get("endpoints/iris"), before);
    let (status, answer) = vertex.predict("iris", &json!({ "instances": [2] }));
    assert_eq!((status, &answer["predictions"]), (200, &json!([10])), "{answer}");
}

#[test]
fn a_server_that_ends_is_started_again() {
    let vertex = Vertex::start();
    vertex.serve(&[]);
    let exit = json!({ "instances": [], "parameters": { "do": "exit" } });
    let (status, answer) = vertex.predict("iris", &exit);
    assert_eq!((status, &answer["error"]["status"]), (503, &json!("UNAVAILABLE")), "{answer}");
    let start = Instant::now();
    while vertex.predict("iris", &json!({ "instances": [1] })).0 != 200 {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_is_not_well_gets_no_traffic() {
    let vertex = Vertex::start();
    vertex.serve(&[]);
    let sicken = json!({ "instances": [], "parameters": { "do": "sicken" } });
    assert_eq!(vertex.predict("iris", &sicken).0, 200);
    let start = Instant::now();
    let refusal = loop {
        let (status, answer) = vertex.predict("iris", &json!({ "instances": [1] }));
        if status != 200 {
            break (status, answer);
        }
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((refusal.0, &refusal.1["error"]["status"]), (503, &json!("UNAVAILABLE")));
}

#[test]
fn a_deployment_that_is_cancelled_leaves_no_server() {
    let vertex = Vertex::start();
    vertex.model("iris", &[("UNHEALTHY", "1")]);
    vertex.endpoint("ep", &json!({}));
    let (_, begun) = vertex.post("endpoints/ep:deployModel", &deploy("1", "iris", &json!({})));
    let name = begun["name"].as_str().unwrap();
    let lines = || {
        let body = json!({ "resourceNames": ["projects/acme"], "filter": "severity=NOTICE" });
        let (_, logs) = vertex.send("POST", "/v2/entries:list", &body);
        logs["entries"].as_array().map_or(0, Vec::len)
    };
    until(|| lines() == 1);
    let servers = || {
        let mine = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let env = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&env)
                .contains(&format!("STORAGE_EMULATOR_HOST={}", vertex.server.url))
        });
        mine.count()
    };
    until(|| servers() > 0);
    assert_eq!(vertex.send("POST", &format!("/v1/{name}:cancel"), &json!({})).0, 200);
    assert_eq!(vertex.wait((200, begun))["error"]["code"], 1);
    until(|| servers() == 0);
    assert_eq!(vertex.get("endpoints/ep").get("deployedModels"), None);
}

fn until(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_deployed_model_is_mutated_in_its_replicas_only() {
    let vertex = Vertex::start();
    vertex.serve(&[]);
    let mutate = |mask: &str| {
        json!({
            "deployedModel": {
                "id": "1", "displayName": "x",
                "dedicatedResources": { "minReplicaCount": 2, "maxReplicaCount": 4 },
            },
            "updateMask": mask,
        })
    };
    let mask = "dedicated_resources.min_replica_count,dedicated_resources.max_replica_count";
    let done = vertex.done(vertex.post("endpoints/iris:mutateDeployedModel", &mutate(mask)));
    let resources = &done["deployedModel"]["dedicatedResources"];
    assert_eq!(resources["maxReplicaCount"], 4);
    assert_eq!(resources["machineSpec"]["machineType"], "n1-standard-2");
    assert_eq!(done["deployedModel"]["displayName"], "iris");
    let path = "endpoints/iris:mutateDeployedModel";
    assert_eq!(vertex.refused("POST", path, &mutate("displayName")).0, 400);
    let least = mutate("dedicatedResources.minReplicaCount");
    let mut most = least.clone();
    most["deployedModel"]["dedicatedResources"]["minReplicaCount"] = 9.into();
    assert_eq!(vertex.refused("POST", path, &most).0, 400);
}
