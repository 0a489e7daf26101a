//! Predictions: who answers, what passes, and what does not.

use serde_json::{Value, json};

use crate::harness::{PLACE, Vertex};

#[test]
fn traffic_is_split_and_moved() {
    let vertex = Vertex::start();
    vertex.model("iris", &[]);
    vertex.endpoint("ep", &json!({}));
    vertex.deploy("ep", "1", "iris", &json!({ "0": 100 }));
    vertex.deploy("ep", "2", "iris", &json!({ "0": 10, "1": 90 }));
    vertex.deploy("ep", "3", "iris", &json!({}));
    let count = || {
        let mut served = std::collections::BTreeMap::new();
        for _ in 0..100 {
            let (status, answer) = vertex.predict("ep", &json!({ "instances": [1] }));
            assert_eq!(status, 200, "{answer}");
            *served.entry(answer["deployedModelId"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        serde_json::to_value(served).unwrap()
    };
    assert_eq!(count(), json!({ "1": 90, "2": 10 }));
    let change = json!({ "trafficSplit": { "3": 1, "2": 99 } });
    let path = format!("{PLACE}/endpoints/ep?updateMask=traffic_split");
    assert_eq!(vertex.send("PATCH", &path, &change).0, 200);
    assert_eq!(count(), json!({ "2": 99, "3": 1 }));

    let undeploy = |id: &str, split: Value| {
        vertex.post(
            "endpoints/ep:undeployModel",
            &json!({ "deployedModelId": id, "trafficSplit": split }),
        )
    };
    let (status, refusal) = undeploy("2", json!({}));
    assert_eq!((status, &refusal["error"]["status"]), (400, &json!("FAILED_PRECONDITION")));
    let (_, refusal) = undeploy("2", json!({ "0": 100 }));
    let text = "The following DeployedModel ID(s) [0] do not exist.";
    assert_eq!(refusal["error"]["message"], text);
    vertex.done(undeploy("2", json!({ "3": 100 })));
    vertex.done(undeploy("1", json!({})));
    assert_eq!(vertex.get("endpoints/ep")["trafficSplit"], json!({ "3": 100 }));
    assert_eq!(undeploy("1", json!({})).0, 404);
    assert_eq!(count(), json!({ "3": 100 }));
}

#[test]
fn numbers_are_doubles_unless_they_are_raw() {
    let vertex = Vertex::start();
    vertex.serve(&[]);
    let exact = r#"{"instances":[9007199254740993],"parameters":{"do":"raw"}}"#;
    let send = |method: &str, body: &str| {
        let path = format!("{PLACE}/endpoints/iris:{method}");
        let headers = [("content-type", "application/json")];
        vertex.server.send("POST", &path, &headers, body.as_bytes())
    };
    let answer = send("predict", exact).json();
    let seen: Value = serde_json::from_str(answer["predictions"][0].as_str().unwrap()).unwrap();
    assert_eq!(seen["instances"][0].to_string(), "9007199254740992");
    assert_eq!((&answer["deployedModelId"], &answer["modelVersionId"]), (&json!("1"), &json!("1")));
    assert_eq!(answer["modelDisplayName"], "iris");
    assert!(answer["model"].as_str().unwrap().ends_with("/models/iris"));

    let answer = send("rawPredict", exact);
    assert_eq!(answer.header("x-vertex-ai-endpoint-id"), Some("iris"));
    assert_eq!(answer.header("x-vertex-ai-deployed-model-id"), Some("1"));
    assert_eq!(answer.json()["predictions"][0], exact);
    // As Google's REST clients send it.
    let wrapped = json!({ "httpBody": { "contentType": "application/json",
        "data": "eyJpbnN0YW5jZXMiOlsxXSwicGFyYW1ldGVycyI6eyJkbyI6InJhdyJ9fQ==" } });
    let answer = send("rawPredict", &wrapped.to_string()).json();
    assert_eq!(answer["predictions"][0], r#"{"instances":[1],"parameters":{"do":"raw"}}"#);
    assert_eq!(send("streamRawPredict", exact).json()["predictions"][0], exact);
}

#[test]
fn what_goes_wrong_is_said_as_the_service_says_it() {
    let vertex = Vertex::start();
    vertex.serve(&[]);
    let ask = |parameters: Value| {
        let (status, body) =
            vertex.predict("iris", &json!({ "instances": [1], "parameters": parameters }));
        let error = &body["error"];
        let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
        (status, text("status"), text("message"))
    };
    let said = "{\"error\": \"as you wish\"}";
    for (code, status) in [(400, "FAILED_PRECONDITION"), (500, "INTERNAL"), (503, "UNAVAILABLE")] {
        assert_eq!(ask(json!({ "fail": code })), (code, status.to_owned(), said.to_owned()));
    }
    let (status, _, text) = ask(json!({ "do": "nonsense" }));
    let start =
        "Invalid response from prediction server - the response field predictions is missing.";
    assert!(status == 500 && text.starts_with(start), "{text}");
    let (status, _, text) = ask(json!({ "do": "much", "size": 1_600_000 }));
    assert!(status == 400 && text.contains("1572864"), "{text}");
    let (status, text) = vertex.refused("POST", "endpoints/iris:predict", &json!({}));
    assert!(status == 400 && text.contains("instances"), "{text}");
    let (status, text) =
        vertex.refused("POST", "endpoints/iris:explain", &json!({ "instances": [1] }));
    assert!(status == 400 && text.contains("explanation_spec"), "{text}");
    let much = json!({ "instances": ["x".repeat(1_572_864)] });
    let (status, text) = vertex.refused("POST", "endpoints/iris:predict", &much);
    let limit = "Request payload size exceeds the limit: 1572864 bytes.";
    assert_eq!((status, text.as_str()), (400, limit));
    vertex.endpoint("empty", &json!({}));
    let (status, text) =
        vertex.refused("POST", "endpoints/empty:predict", &json!({ "instances": [] }));
    assert!(status == 400 && text.contains("no deployed model"), "{text}");
}

#[test]
fn a_dedicated_endpoint_is_asked_by_its_own_name_and_invoked() {
    let vertex = Vertex::start();
    let mut spec = vertex.spec("iris", &[]);
    spec["containerSpec"].as_object_mut().unwrap().shift_remove("predictRoute");
    spec["containerSpec"]["invokeRoutePrefix"] = "/*".into();
    vertex.done(vertex.post("models:upload", &json!({ "model": spec, "modelId": "iris" })));
    vertex.endpoint("shared", &json!({}));
    let refused = crate::harness::deploy("1", "iris", &json!({}));
    let (status, text) = vertex.refused("POST", "endpoints/shared:deployModel", &refused);
    assert!(status == 400 && text.contains("dedicated"), "{text}");

    vertex.endpoint("own", &json!({ "dedicatedEndpointEnabled": true }));
    vertex.deploy("own", "1", "iris", &json!({ "0": 100 }));
    vertex.deploy("own", "2", "iris", &json!({}));
    let path = format!("{PLACE}/endpoints/own/deployedModels/2/invoke/v1/chat%2Fx?a=b");
    let (status, body) = vertex.send("POST", &path, &json!({}));
    let text = body["error"]["message"].as_str().unwrap();
    assert!(status == 400 && text.contains("shared Vertex AI domain"), "{text}");
    let dns = vertex.get("endpoints/own")["dedicatedEndpointDns"].as_str().unwrap().to_owned();
    let headers = [("content-type", "text/plain"), ("host", dns.as_str())];
    let answer = vertex.server.send("POST", &path, &headers, b"hello");
    assert_eq!(answer.header("x-vertex-ai-deployed-model-id"), Some("2"));
    let said = json!({ "path": "/v1/chat%2Fx?a=b", "body": "hello", "kind": "text/plain" });
    assert_eq!(answer.json(), said);
    let path = format!("{PLACE}/endpoints/own:predict");
    let refused = vertex.server.send("POST", &path, &headers, br#"{"instances":[]}"#).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("invoke"), "{refused}");
}
