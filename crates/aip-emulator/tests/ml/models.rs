//! Models, their names, pages and errors: no Python involved.

use serde_json::{Value, json};

use crate::harness::{Emulator, message};

const MODELS: &str = "/v1/projects/p/models";

fn start() -> (Emulator, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Emulator::start(dir.path(), &[]), dir)
}

#[test]
fn a_model_is_created_once_changed_and_deleted() {
    let (emulator, _dir) = start();
    assert_eq!(emulator.get(MODELS), (200, json!({})));
    let body = json!({"name": "iris", "regions": ["europe-west1"], "onlinePredictionLogging": true,
                      "labels": {"run": "2c6d"}, "description": null});
    let (status, mut model) = emulator.post(MODELS, &body);
    assert_eq!(status, 200);
    assert!(model["etag"].take().is_string());
    assert_eq!(
        model,
        json!({"name": "projects/p/models/iris", "regions": ["europe-west1"],
               "onlinePredictionLogging": true, "labels": {"run": "2c6d"}, "etag": null})
    );

    let (status, again) = emulator.post(MODELS, &body);
    let text = "A model with the same name already exists.";
    assert_eq!((status, again["error"]["status"].as_str()), (409, Some("ALREADY_EXISTS")));
    assert_eq!(message(&again), format!("Field: model.name Error: {text}"));
    let violation = json!([{ "field": "model.name", "description": text }]);
    assert_eq!(again["error"]["details"][0]["fieldViolations"], violation);

    let patch = json!({"description": "flowers", "labels": {"ignored": "yes"}});
    let url = format!("{MODELS}/iris?updateMask=description");
    let (status, operation) = emulator.send("PATCH", &url, patch.to_string().as_bytes());
    assert_eq!((status, &operation["done"]), (200, &json!(true)));
    let (_, model) = emulator.get(&format!("{MODELS}/iris"));
    assert_eq!(model["description"], "flowers");
    assert_eq!(model["labels"], json!({"run": "2c6d"}));

    let (status, operation) = emulator.send("DELETE", &format!("{MODELS}/iris"), b"");
    assert_eq!(status, 200);
    assert_eq!(operation["metadata"]["operationType"], "DELETE_MODEL");
    let operation = emulator.wait(&operation);
    assert_eq!(operation["response"]["@type"], "type.googleapis.com/google.protobuf.Empty");
    assert_eq!(emulator.get(&format!("{MODELS}/iris")).0, 404);
}

#[test]
fn what_the_service_refused_is_refused() {
    let (emulator, _dir) = start();
    for (body, part) in [
        (json!({}), "Field: model.name Error: "),
        (json!({"name": "iris-v2"}), "Field: model.name Error: "),
        (json!({"name": "m", "regions": ["us-east1", "us-west1"]}), "Only one region"),
        (json!({"name": "m", "regions": ["atlantis"]}), "Field: model.regions Error: "),
        (json!({"name": "m", "labels": {"Run": "x"}}), "Field: model.labels Error: "),
        (json!({"name": "m", "region": "x"}), "Unknown name \"region\" at 'model': Cannot find"),
        (json!({"name": 7}), "Invalid value at 'model.name' (TYPE_STRING), 7"),
        (json!("m"), "Invalid JSON payload received."),
    ] {
        let (status, answer) = emulator.post(MODELS, &body);
        assert_eq!(
            (status, &answer["error"]["status"]),
            (400, &json!("INVALID_ARGUMENT")),
            "{body}"
        );
        assert!(message(&answer).contains(part), "{body}: {answer}");
    }
    assert_eq!(emulator.send("POST", MODELS, b"{\"name\":").0, 400);
    assert_eq!(emulator.get(MODELS), (200, json!({})));
}

#[test]
fn a_list_comes_in_pages_and_ends_at_the_quota() {
    let (emulator, _dir) = start();
    for number in 0..100 {
        assert_eq!(emulator.post(MODELS, &json!({"name": format!("m{number:03}")})).0, 200);
    }
    let (status, answer) = emulator.post(MODELS, &json!({"name": "one_more"}));
    assert_eq!((status, &answer["error"]["status"]), (429, &json!("RESOURCE_EXHAUSTED")));

    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let (_, page) = emulator.get(&format!("{MODELS}?pageSize=30&pageToken={token}"));
        let models = page["models"].as_array().unwrap();
        names.extend(models.iter().map(|model| model["name"].as_str().unwrap().to_owned()));
        match &page["nextPageToken"] {
            Value::String(next) => token.clone_from(next),
            _ => break,
        }
    }
    assert_eq!(names.len(), 100);
    assert!(names.is_sorted_by(|one, next| one < next));
}

#[test]
fn no_parameter_is_passed_over() {
    let (emulator, _dir) = start();
    for name in ["iris", "iris_2", "wine"] {
        let body = json!({"name": name, "labels": {"kind": name}});
        assert_eq!(emulator.post(&format!("{MODELS}?alt=json"), &body).0, 200);
    }
    let (_, found) = emulator.get(&format!("{MODELS}?filter=name:iris&alt=json"));
    assert_eq!(found["models"].as_array().map(Vec::len), Some(2), "{found}");
    let (_, found) = emulator.get(&format!("{MODELS}?filter=labels.kind%3Dwine"));
    assert_eq!(found["models"][0]["name"], "projects/p/models/wine");
    let (_, found) = emulator.get(&format!("{MODELS}?fields=models/labels&pageSize=1"));
    assert_eq!(found, json!({"models": [{"labels": {"kind": "iris"}}]}));
    for (method, path, code, part) in [
        ("GET", "models?bogus=1", 400, "Unknown name \"bogus\": Cannot bind query parameter."),
        ("GET", "models/iris?pageSize=1", 400, "Field 'pageSize' could not be found"),
        ("POST", "models/iris:predict?bogus=1", 400, "Field 'bogus' could not be found"),
        ("GET", "models?filter=name!%3Diris", 501, "filters other than"),
        ("GET", "operations?filter=done%3Dtrue", 501, "filters for operations"),
        ("GET", "jobs?filter=x", 501, "jobs"),
        ("GET", "models?fields=a(", 400, "field selection"),
    ] {
        let (status, answer) = emulator.send(method, &format!("/v1/projects/p/{path}"), b"");
        assert_eq!(status, code, "{path}: {answer}");
        assert!(message(&answer).contains(part), "{path}: {answer}");
    }
}

#[test]
fn a_project_says_who_serves_it_and_unknown_paths_are_json() {
    let (emulator, _dir) = start();
    let (status, config) = emulator.get("/v1/projects/p:getConfig");
    assert_eq!(status, 200);
    assert!(config["serviceAccount"].as_str().unwrap().ends_with(".iam.gserviceaccount.com"));
    for (path, expected) in [
        ("/v1/projects/p/nothing", 404),
        ("/v1/projects/../models", 400),
        ("/v1/projects/p/jobs", 501),
    ] {
        let (status, answer) = emulator.get(path);
        assert_eq!((status, answer["error"]["code"].as_u64()), (expected, Some(expected.into())));
    }
}
