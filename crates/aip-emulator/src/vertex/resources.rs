//! On what a model is deployed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::container_spec::{list, text};
use super::refusal::invalid;
use crate::api::refusal::unimplemented;
use crate::error::ApiError;

const DEFAULT_MACHINE: &str = "n1-standard-2";

/// Checks a new deployed model and fills in defaults.
pub(super) fn check(spec: &mut Map<String, Value>) -> Result<(), ApiError> {
    if spec.contains_key("sharedResources") {
        return Err(unimplemented("deployment resource pools"));
    }
    if spec.contains_key("automaticResources") {
        let text = "'automatic_resources' is not supported for custom-trained models; specify \
                    'dedicated_resources'.";
        return Err(invalid(text));
    }
    let account = spec.get("serviceAccount").and_then(Value::as_str).unwrap_or_default();
    if !account.is_empty() && !account.contains('@') {
        let text = format!("The service account '{account}' is not an email address.");
        return Err(invalid(&text));
    }
    let Some(resources) = spec.get_mut("dedicatedResources") else {
        return Err(invalid("DeployedModel.dedicated_resources is required."));
    };
    let machine = text(&resources["machineSpec"], "machineType");
    if machine.is_empty() {
        resources["machineSpec"]["machineType"] = DEFAULT_MACHINE.into();
    }
    if resources["maxReplicaCount"].as_i64().unwrap_or(0) == 0 {
        resources["maxReplicaCount"] = resources["minReplicaCount"].clone();
    }
    check_dedicated(resources)
}

/// Also after some of it was changed.
pub(super) fn check_dedicated(resources: &Value) -> Result<(), ApiError> {
    let count = |field: &str| resources[field].as_i64().unwrap_or(0);
    let (least, most) = (count("minReplicaCount"), count("maxReplicaCount"));
    if least < 1 {
        return Err(invalid("min_replica_count must be greater than or equal to 1."));
    }
    if most < least {
        return Err(invalid(
            "max_replica_count must be greater than or equal to min_replica_count.",
        ));
    }
    let required = count("requiredReplicaCount");
    if required < 0 || required > least {
        return Err(invalid("required_replica_count must be between 1 and min_replica_count."));
    }
    let machine = &resources["machineSpec"];
    let has_type = !matches!(text(machine, "acceleratorType"), "" | "ACCELERATOR_TYPE_UNSPECIFIED");
    if has_type != (machine["acceleratorCount"].as_i64().unwrap_or(0) > 0) {
        return Err(invalid("accelerator_type and accelerator_count must be set together."));
    }
    let mut metrics = BTreeSet::new();
    for metric in list(resources, "autoscalingMetricSpecs") {
        let name = text(metric, "metricName");
        if !name.contains(".googleapis.com/") {
            return Err(invalid(&format!("The autoscaling metric '{name}' is not supported.")));
        }
        if !metrics.insert(name) {
            return Err(invalid(&format!("At most one entry is allowed for the metric '{name}'.")));
        }
        if metric["target"].as_i64().is_some_and(|target| target < 1) {
            return Err(invalid("The target of an autoscaling metric must be positive."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_filled_in() {
        let resources = json!({"machineSpec": {}, "minReplicaCount": 2});
        let mut spec = Map::from_iter([("dedicatedResources".to_owned(), resources)]);
        check(&mut spec).unwrap();
        let filled = json!({"machineSpec": {"machineType": "n1-standard-2"},
                            "minReplicaCount": 2, "maxReplicaCount": 2});
        assert_eq!(spec["dedicatedResources"], filled);
    }

    #[test]
    fn what_the_service_refuses() {
        let metric =
            json!({"metricName": "aiplatform.googleapis.com/prediction/online/cpu/utilization"});
        for change in [
            json!({"minReplicaCount": 0}),
            json!({"maxReplicaCount": 1, "minReplicaCount": 2}),
            json!({"requiredReplicaCount": 2}),
            json!({"machineSpec": {"acceleratorType": "NVIDIA_L4"}}),
            json!({"autoscalingMetricSpecs": [{"metricName": "cpu"}]}),
            json!({"autoscalingMetricSpecs": [metric, metric]}),
        ] {
            let mut resources = json!({"machineSpec": {"machineType": "m"}, "minReplicaCount": 1});
            for (field, value) in change.as_object().unwrap() {
                resources[field] = value.clone();
            }
            let mut spec = Map::from_iter([("dedicatedResources".to_owned(), resources)]);
            assert!(check(&mut spec).is_err(), "{change}");
        }
        assert!(check(&mut Map::new()).is_err());
    }
}
