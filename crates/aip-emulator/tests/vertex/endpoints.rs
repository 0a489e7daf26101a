//! Endpoints and operations: nothing is run.

use serde_json::{Value, json};

use crate::harness::{PLACE, Vertex};

#[test]
fn an_endpoint_is_created_changed_and_deleted() {
    let vertex = Vertex::start();
    let body = json!({
        "displayName": "ep", "labels": { "a": "b" }, "dedicatedEndpointEnabled": true,
        "predictRequestResponseLoggingConfig": {
            "enabled": true, "samplingRate": 0.1,
            "bigqueryDestination": { "outputUri": "bq://p.d.t" },
        },
    });
    let answer = vertex.post("endpoints?endpointId=ep", &body);
    assert_eq!(answer.1.get("done"), None);
    let made = vertex.done(answer);
    assert_eq!(made["@type"], "type.googleapis.com/google.cloud.aiplatform.v1.Endpoint");
    let port = vertex.server.host().rsplit(':').next().unwrap();
    assert_eq!(made["dedicatedEndpointDns"], format!("localhost:{port}"));
    assert_eq!(vertex.refused("POST", "endpoints?endpointId=ep", &body).0, 409);
    assert_eq!(vertex.refused("POST", "endpoints?endpoint_id=0123", &body).0, 400);

    let change = json!({ "displayName": "EP", "labels": {}, "network": "ignored" });
    let path = format!("{PLACE}/endpoints/ep?updateMask=displayName,labels");
    let (status, patched) = vertex.send("PATCH", &path, &change);
    assert_eq!((status, &patched["displayName"]), (200, &json!("EP")));
    assert_eq!(patched["predictRequestResponseLoggingConfig"]["samplingRate"], 0.1);
    let split = json!({ "trafficSplit": { "1": 100 } });
    let (status, text) = vertex.refused("PATCH", "endpoints/ep?updateMask=traffic_split", &split);
    assert_eq!(
        (status, text.as_str()),
        (400, "The following DeployedModel ID(s) [1] do not exist.")
    );
    let update = json!({ "endpoint": { "clientConnectionConfig": { "inferenceTimeout": "90s" } } });
    let updated = vertex.done(vertex.post("endpoints/ep:update", &update));
    assert_eq!(updated["clientConnectionConfig"]["inferenceTimeout"], "90s");

    vertex.done(vertex.send("DELETE", &format!("{PLACE}/endpoints/ep"), &Value::Null));
    let (status, text) = vertex.refused("GET", "endpoints/ep", &Value::Null);
    assert!(
        status == 404 && text.ends_with("/locations/us-central1/endpoints/ep` not found."),
        "{text}"
    );
}

#[test]
fn operations_are_found_under_every_path() {
    let vertex = Vertex::start();
    let (_, operation) = vertex.post("endpoints?endpointId=ep", &json!({ "displayName": "ep" }));
    let name = operation["name"].as_str().unwrap();
    let done = vertex.wait((200, operation.clone()));
    let id = name.rsplit('/').next().unwrap();
    let place = "projects/acme/locations/us-central1";
    for path in [
        format!("/v1/{name}"),
        format!("/v1beta1/{name}"),
        format!("/ui/{name}"),
        format!("/v1/{place}/endpoints/ep/operations/{id}"),
        format!("/v1beta1/{place}/operations/{id}"),
    ] {
        assert_eq!(vertex.send("GET", &path, &Value::Null), (200, done.clone()), "{path}");
    }
    let elsewhere = format!("endpoints/other/operations/{id}");
    assert_eq!(vertex.refused("GET", &elsewhere, &Value::Null).0, 404);
    assert_eq!(vertex.get("operations")["operations"].as_array().map(Vec::len), Some(1));
    assert_eq!(vertex.get("endpoints/ep/operations")["operations"][0], done);
    let wait = format!("endpoints/ep/operations/{id}:wait?timeout=3s");
    assert_eq!(vertex.post(&wait, &Value::Null), (200, done));
    assert_eq!(vertex.post(&format!("operations/{id}:cancel"), &json!({})), (200, json!({})));
    let path = format!("{PLACE}/operations/{id}");
    assert_eq!(vertex.send("DELETE", &path, &Value::Null), (200, json!({})));
    assert_eq!(vertex.send("GET", &path, &Value::Null).0, 404);
}
