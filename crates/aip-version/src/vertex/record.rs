//! `stages.version` of a version on Vertex AI.

use aip::vertex::{Endpoint, Place};
use deployment::Deployment;
use serde_json::json;

/// A version whose deployment is on its way.
pub(super) fn running(
    document: &mut Deployment,
    place: &Place,
    number: &str,
    id: &str,
    operation: Option<&str>,
) {
    let stage = document.stages.version.get_or_insert_default();
    stage.name = place.version_name(number);
    stage.state = "CREATING".into();
    stage.operation = operation.map(str::to_owned);
    stage.is_default = None;
    stage.endpoint = Some(place.endpoint_name());
    stage.deployed_model_id = Some(id.to_owned());
    stage.traffic = None;
    stage.notes.clear();
}

/// A version that answers.
pub(super) fn ready(
    document: &mut Deployment,
    place: &Place,
    number: &str,
    id: &str,
    endpoint: &Endpoint,
) {
    running(document, place, number, id, None);
    let Some(stage) = &mut document.stages.version else { return };
    stage.state = "READY".into();
    stage.traffic = Some(endpoint.split().percent(id));
    let Some(deployed) = endpoint.by_id(id) else { return };
    for key in ["createTime", "serviceAccount"] {
        if let Some(value) = deployed.0.get(key) {
            stage.notes.insert(key.into(), value.clone());
        }
    }
    let machine = &deployed.0["dedicatedResources"]["machineSpec"]["machineType"];
    if !machine.is_null() {
        stage.notes.insert("machineType".into(), json!(machine));
    }
}
