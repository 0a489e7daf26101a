//! Settings of AI Platform in the words of Vertex AI. What the document says of
//! Vertex AI already stands above them.

use aip::BUNDLE_DIGEST;
use deployment::{Extra, Spec};
use log::info;
use serde_json::{Value, json};

use crate::vertex::child;

/// Of the API's `Version`.
pub(super) fn version(fields: &Extra, spec: &mut Spec) {
    let get = |key: &str| fields.get(key).unwrap_or(&Value::Null);
    let vertex = &mut spec.vertex;
    put(&mut vertex.model, "versionDescription", get("description"));
    labels(&mut vertex.model, get("labels"));
    let deployed = &mut vertex.deployed_model;
    put(deployed, "serviceAccount", get("serviceAccount"));
    let mut resources = scaling(fields);
    if let Some(machine) = machine(get("machineType")) {
        child(&mut resources, "machineSpec").insert("machineType".into(), machine);
    }
    if let Value::Object(accelerator) = get("acceleratorConfig") {
        let spec = child(&mut resources, "machineSpec");
        put(spec, "acceleratorType", &accelerator["type"]);
        put(spec, "acceleratorCount", &number(&accelerator["count"]));
    }
    if !resources.is_empty() {
        fill(child(deployed, "dedicatedResources"), resources);
    }
    if let Some(table) = get("requestLoggingConfig")["bigqueryTableName"].as_str() {
        let share = &get("requestLoggingConfig")["samplingPercentage"];
        let share = if share.is_null() { json!(1.0) } else { share.clone() };
        let logging = json!({"enabled": true, "samplingRate": share,
            "bigqueryDestination": {"outputUri": format!("bq://{table}")}});
        put(&mut vertex.endpoint, "predictRequestResponseLoggingConfig", &logging);
    }
}

/// Of the API's `Model`.
pub(super) fn model(spec: &mut Spec) {
    let fields = &spec.ai_platform.model;
    let get = |key: &str| fields.get(key).unwrap_or(&Value::Null);
    put(&mut spec.vertex.endpoint, "description", get("description"));
    labels(&mut spec.vertex.endpoint, get("labels"));
    if get("onlinePredictionLogging") == true {
        put(&mut spec.vertex.deployed_model, "enableAccessLogging", &json!(true));
    }
}

/// The machines of custom prediction are AI Platform's own; the others go by
/// the same names.
fn machine(kind: &Value) -> Option<Value> {
    let name = match kind.as_str()? {
        "mls1-c4-m2" => "n1-standard-4",
        old if old.starts_with("mls1-") => "n1-standard-2",
        kind => kind,
    };
    if *kind != name {
        info!("machine {kind} is AI Platform's alone; the version gets '{name}'");
    }
    Some(json!(name))
}

/// One replica is always there: there is no scaling to none.
fn scaling(fields: &Extra) -> Extra {
    let mut resources = Extra::new();
    let nodes = &fields.get("manualScaling").unwrap_or(&Value::Null)["nodes"];
    let scaling = fields.get("autoScaling").unwrap_or(&Value::Null);
    let least = if nodes.is_null() { &scaling["minNodes"] } else { nodes };
    let most = if nodes.is_null() { &scaling["maxNodes"] } else { nodes };
    if let Some(least) = number(least).as_u64() {
        resources.insert("minReplicaCount".into(), json!(least.max(1)));
    }
    if let Some(most) = number(most).as_u64() {
        resources.insert("maxReplicaCount".into(), json!(most.max(1)));
    }
    let metrics = scaling["metrics"].as_array().into_iter().flatten();
    let metrics: Vec<_> = metrics
        .filter_map(|metric| {
            let name = match metric["name"].as_str()? {
                "CPU_USAGE" => "cpu/utilization",
                "GPU_DUTY_CYCLE" => "accelerator/duty_cycle",
                _ => return None,
            };
            let name = format!("aiplatform.googleapis.com/prediction/online/{name}");
            Some(json!({"metricName": name, "target": metric["target"]}))
        })
        .collect();
    if !metrics.is_empty() {
        resources.insert("autoscalingMetricSpecs".into(), metrics.into());
    }
    resources
}

/// Google writes long numbers as text.
fn number(value: &Value) -> Value {
    match value.as_str().map(str::parse::<u64>) {
        Some(Ok(number)) => json!(number),
        _ => value.clone(),
    }
}

/// The user's own: the lineage is made anew.
fn labels(fields: &mut Extra, labels: &Value) {
    let is_ours = |key: &str| key == BUNDLE_DIGEST || key.starts_with("mlflow_");
    let own = labels.as_object().into_iter().flatten().filter(|(key, _)| !is_ours(key));
    let own: Extra = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    if !own.is_empty() {
        fill(child(fields, "labels"), own);
    }
}

fn put(fields: &mut Extra, key: &str, value: &Value) {
    if !value.is_null() && value != "" {
        fields.entry(key).or_insert_with(|| value.clone());
    }
}

/// Adds what is not there, also within objects.
fn fill(fields: &mut Extra, more: Extra) {
    for (key, value) in more {
        match (fields.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => fill(there, more),
            (Some(_), _) => {}
            (None, value) => {
                fields.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_keeps_its_settings() {
        let fields = json!({
            "description": "iris", "labels": {"team": "a", "bundle_digest": "x", "mlflow_model": "y"},
            "machineType": "mls1-c4-m2", "autoScaling": {"minNodes": 0, "maxNodes": 3,
                "metrics": [{"name": "CPU_USAGE", "target": 70}]},
            "serviceAccount": "a@b", "requestLoggingConfig": {"bigqueryTableName": "p.d.t", "samplingPercentage": 0.5},
        });
        let Value::Object(fields) = fields else { panic!() };
        let mut spec = Spec::default();
        spec.vertex
            .deployed_model
            .insert("dedicatedResources".into(), json!({"maxReplicaCount": 9}));
        version(&fields, &mut spec);
        assert_eq!(
            Value::Object(spec.vertex.model),
            json!({"versionDescription": "iris", "labels": {"team": "a"}})
        );
        let cpu = "aiplatform.googleapis.com/prediction/online/cpu/utilization";
        assert_eq!(
            Value::Object(spec.vertex.deployed_model),
            json!({"serviceAccount": "a@b", "dedicatedResources": {"maxReplicaCount": 9, "minReplicaCount": 1,
                "autoscalingMetricSpecs": [{"metricName": cpu, "target": 70}],
                "machineSpec": {"machineType": "n1-standard-4"}}})
        );
        let logging = &spec.vertex.endpoint["predictRequestResponseLoggingConfig"];
        assert_eq!(logging["bigqueryDestination"]["outputUri"], "bq://p.d.t");
    }
}
