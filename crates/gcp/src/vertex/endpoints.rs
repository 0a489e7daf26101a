//! Endpoints, and what is deployed to them.

use serde_json::{Value, json};

use crate::api::Request;

/// Answered with an operation, or with 409 where there is one of this id.
pub fn create_endpoint(location: &str, id: &str, endpoint: &Value) -> Request {
    Request::new("POST", format!("/v1/{location}/endpoints")).query("endpointId", id).json(endpoint)
}

/// Answered with an operation. An empty `split` leaves the endpoint's as it is;
/// in it, "0" is the one that is being deployed.
pub fn deploy_model(endpoint: &str, deployed: &Value, split: &Value) -> Request {
    let mut body = json!({"deployedModel": deployed});
    if split.as_object().is_some_and(|split| !split.is_empty()) {
        body["trafficSplit"] = split.clone();
    }
    Request::new("POST", format!("/v1/{endpoint}:deployModel")).json(&body)
}

/// Answered with an operation; refused while it has traffic, unless `split`
/// takes that away.
pub fn undeploy_model(endpoint: &str, id: &str, split: &Value) -> Request {
    let body = json!({"deployedModelId": id, "trafficSplit": split});
    Request::new("POST", format!("/v1/{endpoint}:undeployModel")).json(&body)
}
