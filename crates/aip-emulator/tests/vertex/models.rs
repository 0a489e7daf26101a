//! Models, their versions and aliases: nothing is run.

use serde_json::{Value, json};

use crate::harness::{PLACE, Vertex};

#[test]
fn versions_of_a_model_have_aliases() {
    let vertex = Vertex::start();
    let mut spec = vertex.spec("iris", &[]);
    spec["versionAliases"] = json!(["champion"]);
    let body = json!({ "model": spec, "modelId": "iris" });
    let (_, operation) = vertex.post("models:upload", &body);
    let name = operation["name"].as_str().unwrap().to_owned();
    let done = vertex.done((200, operation));
    let model = done["model"].as_str().unwrap().to_owned();
    let number = model.split('/').nth(1).unwrap().to_owned();
    assert!(number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit()), "{model}");
    assert!(name.starts_with(&format!("{model}/operations/")), "{name}");
    assert_eq!(done["modelVersionId"], "1");

    let (status, _) = vertex.post("models:upload", &body);
    assert_eq!(status, 409);
    let parent = json!({ "model": vertex.spec("iris", &[]), "parentModel": format!("{model}@1") });
    assert_eq!(vertex.done(vertex.post("models:upload", &parent))["modelVersionId"], "2");

    let shown = vertex.get("models/iris");
    assert_eq!((&shown["versionId"], &shown["name"]), (&json!("1"), &json!(model)));
    assert_eq!(shown["versionAliases"], json!(["champion", "default"]));
    assert_eq!(shown["supportedDeploymentResourcesTypes"], json!(["DEDICATED_RESOURCES"]));
    assert_eq!(vertex.get("models/iris%402")["name"], format!("{model}@2"));
    assert_eq!(vertex.get("models/iris@champion")["versionId"], "1");

    let merge = json!({ "versionAliases": ["default", "v2", "champion"] });
    let (_, merged) = vertex.post("models/iris@2:mergeVersionAliases", &merge);
    assert_eq!(merged["versionAliases"], json!(["champion", "default", "v2"]));
    let merge = json!({ "versionAliases": ["-champion"] });
    assert_eq!(vertex.post("models/iris@2:mergeVersionAliases", &merge).0, 200);
    assert_eq!(vertex.get("models/iris")["versionAliases"], json!(["default", "v2"]));
    let versions = vertex.get("models/iris:listVersions");
    let of = |shown: &Value| {
        let all = shown["models"].as_array().unwrap().iter();
        all.map(|m| m["versionId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(&versions).len(), 2);

    let (status, text) = vertex.refused("DELETE", "models/iris@2:deleteVersion", &Value::Null);
    assert!(status == 400 && text.contains("default"), "{text}");
    let gone = vertex.send("DELETE", &format!("{PLACE}/models/iris@1:deleteVersion"), &Value::Null);
    vertex.done(gone);
    assert_eq!(of(&vertex.get("models/iris:listVersions")), ["2"]);
    // A number does not come back.
    assert_eq!(
        vertex.done(vertex.post("models:upload", &parent_of(&vertex)))["modelVersionId"],
        "3"
    );
    vertex.done(vertex.send("DELETE", &format!("{PLACE}/models/iris"), &Value::Null));
    assert_eq!(vertex.refused("GET", "models/iris", &Value::Null).0, 404);
}

fn parent_of(vertex: &Vertex) -> Value {
    json!({
        "model": vertex.spec("iris", &[]),
        "parentModel": "projects/acme/locations/us-central1/models/iris",
    })
}

#[test]
fn a_patch_changes_what_it_masks() {
    let vertex = Vertex::start();
    vertex.model("iris", &[]);
    let before = vertex.get("models/iris");
    let path = |mask: &str| format!("{PLACE}/models/iris?updateMask={mask}");
    let body = json!({ "displayName": "Iris", "labels": { "a": "b" }, "description": "no" });
    let (status, after) = vertex.send("PATCH", &path("display_name,labels"), &body);
    assert_eq!((status, &after["displayName"]), (200, &json!("Iris")));
    assert_eq!((&after["labels"], after.get("description")), (&json!({ "a": "b" }), None));
    let stale = json!({ "etag": before["etag"], "displayName": "x" });
    assert_eq!(vertex.send("PATCH", &path("displayName"), &stale).0, 409);
    assert_eq!(vertex.send("PATCH", &path("containerSpec"), &body).0, 400);
    assert_eq!(vertex.send("PATCH", &format!("{PLACE}/models/iris"), &body).0, 400);
}

#[test]
fn artifacts_are_copied_and_must_be_there() {
    let vertex = Vertex::start();
    vertex.put("bucket", "models/iris/weights.txt", "3");
    vertex.put("bucket", "file", "3");
    let upload = |uri: &str| {
        let mut spec = vertex.spec("iris", &[]);
        spec["artifactUri"] = uri.into();
        vertex.post("models:upload", &json!({ "model": spec, "modelId": "iris" }))
    };
    for (uri, part) in [
        ("gs://bucket/none", "empty directory or does not exist"),
        ("gs://bucket/file", "must be a directory"),
        ("gs://nowhere/models", "bucket"),
        ("bucket/models", "not a Cloud Storage URI"),
    ] {
        let (status, body) = upload(uri);
        let text = body["error"]["message"].as_str().unwrap();
        assert!(status == 400 && text.contains(part), "{uri}: {text}");
    }
    vertex.done(upload("gs://bucket/models/iris"));
    assert_eq!(vertex.get("models/iris")["artifactUri"], "gs://bucket/models/iris");
    let (_, buckets) = vertex.send("GET", "/storage/v1/b?project=acme", &Value::Null);
    let names = buckets["items"].as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("caip-tenant-")).count(), 1);
}

#[test]
fn what_the_service_refuses_is_refused() {
    let vertex = Vertex::start();
    let good = vertex.spec("iris", &[]);
    let with = |field: &str, value: Value| {
        let mut spec = good.clone();
        spec[field] = value;
        json!({ "model": spec })
    };
    for (body, part) in [
        (json!({}), "model is required"),
        (json!({ "model": good, "modelId": "1a" }), "model ID"),
        (json!({ "model": good, "modelId": "a", "parentModel": "b" }), "Only one"),
        (json!({ "model": good, "parentModel": "nowhere" }), "not found"),
        (with("displayName", "".into()), "display_name"),
        (with("displayName", "x".repeat(129).into()), "128"),
        (with("labels", json!({ "A": "b" })), "label"),
        (with("versionAliases", json!(["1"])), "alias"),
        (with("containerSpec", Value::Null), "container_spec"),
        (with("nme", 1.into()), "Unknown name \"nme\" at 'model'"),
    ] {
        let (status, text) = vertex.refused("POST", "models:upload", &body);
        assert!(matches!(status, 400 | 404) && text.contains(part), "{body}: {text}");
    }
    let (status, _) = vertex.refused("GET", "models?pagesize=1", &Value::Null);
    assert_eq!(status, 400);
    let (status, text) = vertex.refused("GET", "featurestores", &Value::Null);
    assert!(status == 501 && text.contains("featurestores"), "{text}");
}

#[test]
fn lists_are_filtered_and_have_pages() {
    let vertex = Vertex::start();
    assert_eq!(vertex.get("models"), json!({}));
    for id in ["a", "b", "c"] {
        vertex.model(id, &[]);
    }
    let names = |query: &str| {
        let shown = vertex.get(&format!("models?{query}"));
        let all = shown["models"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> =
            all.iter().map(|m| m["displayName"].as_str().unwrap().to_owned()).collect();
        (names.join(""), shown["nextPageToken"].as_str().map(str::to_owned))
    };
    assert_eq!(names("filter=display_name%3D%22b%22").0, "b");
    assert_eq!(names("filter=model!%3Db&orderBy=display_name%20desc").0, "ca");
    let (first, token) = names("orderBy=display_name&pageSize=2");
    assert_eq!(first, "ab");
    let rest = format!("orderBy=display_name&pageToken={}", token.unwrap());
    assert_eq!(names(&rest), ("c".to_owned(), None));
}
