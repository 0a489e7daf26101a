//! Versions: what is refused, what fails, what becomes of those that work.

use serde_json::json;

use crate::harness::{Emulator, message};

const VERSIONS: &str = "/v1/projects/p/models/iris/versions";

#[test]
fn a_version_is_deployed_made_default_and_deleted() {
    let (emulator, _dir) = Emulator::with_model();
    let mut version = emulator.version("v1");
    version["createTime"] = "what a client says here is ignored".into();
    let (status, operation) = emulator.post(VERSIONS, &version);
    assert_eq!(status, 200);
    let name = operation["name"].as_str().unwrap();
    assert!(name.starts_with("projects/p/operations/create_iris_v1-"), "{name}");
    assert_eq!(operation["metadata"]["operationType"], "CREATE_VERSION");
    assert_eq!(emulator.get(&format!("{VERSIONS}/v1")).1["state"], "CREATING");
    assert_eq!(emulator.post(VERSIONS, &version).0, 409);

    let operation = emulator.wait(&operation);
    let made = &operation["response"];
    assert_eq!(made["@type"], "type.googleapis.com/google.cloud.ml.v1.Version");
    assert_eq!((&made["state"], &made["isDefault"]), (&json!("READY"), &json!(true)));
    assert_eq!(made["machineType"], "mls1-c1-m2");
    assert_eq!(emulator.deploy(&emulator.version("v2"))["response"]["isDefault"], json!(null));

    let (status, answer) = emulator.send("DELETE", &format!("{VERSIONS}/v1"), b"");
    assert_eq!((status, &answer["error"]["status"]), (400, &json!("FAILED_PRECONDITION")));
    assert_eq!(emulator.send("DELETE", "/v1/projects/p/models/iris", b"").0, 400);
    let (status, v2) = emulator.post(&format!("{VERSIONS}/v2:setDefault"), &json!({}));
    assert_eq!((status, &v2["isDefault"]), (200, &json!(true)));
    for version in ["v1", "v2"] {
        let (status, operation) = emulator.send("DELETE", &format!("{VERSIONS}/{version}"), b"");
        assert_eq!(status, 200, "{operation}");
        assert!(emulator.wait(&operation)["response"].is_object());
    }
    assert_eq!(emulator.get(VERSIONS), (200, json!({})));
}

#[test]
fn what_the_service_refused_is_refused() {
    let (emulator, _dir) = Emulator::with_model();
    for (change, part) in [
        (json!({"name": "1"}), "Field: version.name Error: "),
        (json!({"predictorClass": "x"}), "Unknown name \"predictorClass\" at 'version'"),
        (json!({"framework": "SCIKIT_LEARN"}), "Exactly one of \"prediction_class\""),
        (json!({"machineType": "n1-standard-2"}), "Field: version.machine_type Error: "),
        (json!({"pythonVersion": null}), "Field: version.python_version Error: "),
        (json!({"pythonVersion": "3.99"}), "finds no Python 3.99"),
        (json!({"deploymentUri": null}), "Field: version.deployment_uri Error: "),
        (json!({"deploymentUri": "gs://bucket/nothing"}), "doesn't contain any objects"),
        (json!({"deploymentUri": "gs://elsewhere/model"}), "'elsewhere' does not exist"),
        (json!({"packageUris": ["gs://bucket/nothing.tar.gz"]}), "was not found"),
        (json!({"labels": {"a": "B"}}), "Field: version.labels Error: "),
    ] {
        let mut version = emulator.version("v1");
        version.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, answer) = emulator.post(VERSIONS, &version);
        assert_eq!(status, 400, "{change}");
        assert!(message(&answer).contains(part), "{change}: {answer}");
    }
    let (status, _) = emulator.post("/v1/projects/p/models/none/versions", &emulator.version("v1"));
    assert_eq!(status, 404);
    assert_eq!(emulator.get(VERSIONS), (200, json!({})));
}

#[test]
fn a_thousand_files_are_enough() {
    let (emulator, _dir) = Emulator::with_model();
    for number in 0..1001 {
        emulator.upload(&format!("many/{number}"), b"");
    }
    let mut version = emulator.version("v1");
    version["deploymentUri"] = "gs://bucket/many".into();
    let (status, answer) = emulator.post(VERSIONS, &version);
    assert_eq!(status, 400);
    assert!(message(&answer).contains("contains 1001 files"), "{answer}");
}

#[test]
fn code_that_breaks_the_contract_fails_in_the_services_words() {
    let (emulator, _dir) = Emulator::with_model();
    let unexpected = "Failed to load model: Unexpected error when loading the model";
    let user_code = "There was a problem processing the user code";
    let cases = [
        ("Raises", format!("{unexpected}: the model is broken (Error code: 0)")),
        ("Exits", format!("{unexpected}: 5 (Error code: 0)")),
        (
            "Nowhere",
            format!(
                "{user_code}: predictor.Nowhere cannot be found. Please make sure (1) \
                 prediction_class is the fully qualified function name, and (2) it uses the \
                 correct package name as provided by the package_uris: \
                 ['gs://bucket/route/package-1.tar.gz'] (Error code: 4)"
            ),
        ),
        (
            "NoPath",
            format!(
                "{user_code}: User provided model class NoPath must implement the from_path \
                 method. (Error code: 4)"
            ),
        ),
        (
            "TooManyParameters",
            format!(
                "{user_code}: The provided model class, TooManyParameters, has a predict method \
                 with an invalid signature. Expected signature: ['self', 'instances'] User \
                 signature: ['self', 'instances', 'params'] (Error code: 4)"
            ),
        ),
    ];
    let operations = cases.map(|(class, text)| {
        let mut version = emulator.version(class);
        version["predictionClass"] = format!("predictor.{class}").into();
        let (status, operation) = emulator.post(VERSIONS, &version);
        assert_eq!(status, 200, "{operation}");
        (class, text, operation)
    });
    for (class, text, operation) in operations {
        let text = format!("Create Version failed. Bad model detected with error:  \"{text}\"");
        let operation = emulator.wait(&operation);
        assert_eq!(operation["error"], json!({ "code": 9, "message": text }));
        let (_, version) = emulator.get(&format!("{VERSIONS}/{class}"));
        assert_eq!((&version["state"], &version["errorMessage"]), (&json!("FAILED"), &json!(text)));
    }
    let (status, answer) = emulator.predict("Raises", &json!({"instances": []}));
    assert_eq!(status, 400);
    assert!(message(&answer).contains("Online prediction is unavailable"), "{answer}");
}

#[test]
fn a_package_that_does_not_install_fails_the_version() {
    let (emulator, _dir) = Emulator::with_model();
    emulator.upload("route/broken-1.tar.gz", b"not an archive");
    let mut version = emulator.version("v1");
    version["packageUris"] = json!(["gs://bucket/route/broken-1.tar.gz"]);
    let operation = emulator.deploy(&version);
    let text = "User-provided package broken-1.tar.gz failed to install: Command ";
    assert!(message(&operation).contains(text), "{operation}");
}

#[test]
fn only_what_the_mask_names_is_patched() {
    let (emulator, _dir) = Emulator::with_model();
    emulator.deploy(&emulator.version("v1"));
    let patch = |mask: &str, body: serde_json::Value| {
        let path = format!("{VERSIONS}/v1?updateMask={mask}");
        emulator.send("PATCH", &path, body.to_string().as_bytes())
    };
    let body =
        json!({"description": "d", "autoScaling": {"minNodes": 2}, "predictionClass": "x.Y"});
    let (status, operation) = patch("description,autoScaling.minNodes", body);
    assert_eq!((status, &operation["metadata"]["operationType"]), (200, &json!("UPDATE_VERSION")));
    let (_, version) = emulator.get(&format!("{VERSIONS}/v1"));
    assert_eq!(
        (&version["description"], &version["autoScaling"]["minNodes"]),
        (&json!("d"), &json!(2))
    );
    assert_eq!(version["predictionClass"], "predictor.Predictor");
    for mask in ["", "labels", "predictionClass", "manualScaling.nodes"] {
        assert_eq!(patch(mask, json!({})).0, 400, "{mask}");
    }
    assert_eq!(patch("description", json!({"etag": "AAAA"})).0, 409);
}

#[test]
fn a_create_can_be_cancelled() {
    let (emulator, _dir) = Emulator::with_model();
    let (_, operation) = emulator.post(VERSIONS, &emulator.version("v1"));
    let path = format!("/v1/{}", operation["name"].as_str().unwrap());
    assert_eq!(emulator.post(&format!("{path}:cancel"), &json!({})), (200, json!({})));
    let (_, operation) = emulator.get(&path);
    assert_eq!((&operation["done"], &operation["error"]["code"]), (&json!(true), &json!(1)));
    assert_eq!(emulator.get(&format!("{VERSIONS}/v1")).1["state"], "FAILED");
    assert_eq!(emulator.post(&format!("{path}:cancel"), &json!({})), (200, json!({})));
}
