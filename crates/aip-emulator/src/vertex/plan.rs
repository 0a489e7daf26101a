//! How a deployed model's container is run: Vertex AI's container contract.

use std::time::Duration;

use serde_json::Value;

use super::container_spec::{expand, is_invokable, list, text, texts, timeout};
use super::model::Version;
use super::names::Place;
use crate::container::Launch;

/// Whom a container is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tenant {
    pub place: Place,
    pub project_id: String,
    /// The endpoint, or the batch job that has one to itself
    pub endpoint: String,
    pub deployed_model: String,
    pub model: String,
    pub model_display_name: String,
    pub version: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub tenant: Tenant,
    pub image: String,
    pub launch: Launch,
    pub health_route: String,
    pub predict_route: String,
    pub is_invokable: bool,
    pub timeout: Duration,
}

impl Plan {
    pub(super) fn new(tenant: Tenant, version: &Version, machine: &Value) -> Self {
        let spec = version.container();
        let default =
            format!("/v1/endpoints/{}/deployedModels/{}", tenant.endpoint, tenant.deployed_model);
        let or = |given: &str, default: String| match given {
            "" => default,
            given => given.to_owned(),
        };
        let health_route = or(text(spec, "healthRoute"), default.clone());
        let predict_route = or(text(spec, "predictRoute"), format!("{default}:predict"));
        let routes = [
            ("AIP_HEALTH_ROUTE", health_route.as_str()),
            ("AIP_PREDICT_ROUTE", predict_route.as_str()),
            ("AIP_STORAGE_URI", version.artifacts.as_deref().unwrap_or_default()),
        ];
        let mut env = environment(&tenant, machine);
        env.extend(routes.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for variable in list(spec, "env") {
            let value = expand(text(variable, "value"), &env);
            env.push((text(variable, "name").to_owned(), value));
        }
        let expanded = |field| {
            let all = texts(spec, field);
            all.iter().map(|text| expand(text, &env)).collect::<Vec<_>>()
        };
        let launch = Launch {
            label: format!("{}/{}", tenant.endpoint, tenant.deployed_model),
            command: expanded("command"),
            args: expanded("args"),
            env,
        };
        let image = version.image.clone().unwrap_or_else(|| text(spec, "imageUri").to_owned());
        let (is_invokable, timeout) = (is_invokable(spec), timeout(spec));
        Self { tenant, image, launch, health_route, predict_route, is_invokable, timeout }
    }
}

/// The variables that every container has. The port is the one that the
/// container is given on this machine.
fn environment(tenant: &Tenant, machine: &Value) -> Vec<(String, String)> {
    let machine_type = text(machine, "machineType");
    let mut env = vec![
        // Where the service has a metadata server, this names the project.
        ("GOOGLE_CLOUD_PROJECT", tenant.project_id.as_str()),
        ("AIP_DEPLOYED_MODEL_ID", &tenant.deployed_model),
        ("AIP_ENDPOINT_ID", &tenant.endpoint),
        ("AIP_FRAMEWORK", "CUSTOM_CONTAINER"),
        ("AIP_MACHINE_TYPE", machine_type),
        ("AIP_MODE", "PREDICTION"),
        ("AIP_MODE_VERSION", "1.0.0"),
        ("AIP_MODEL_NAME", &tenant.endpoint),
        ("AIP_PROJECT_NUMBER", &tenant.place.number),
        ("AIP_VERSION_NAME", &tenant.deployed_model),
    ];
    let accelerator = text(machine, "acceleratorType");
    if !accelerator.is_empty() {
        env.push(("AIP_ACCELERATOR_TYPE", accelerator));
    }
    env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn plan(spec: Value) -> Plan {
        let tenant = Tenant {
            place: Place::new("123", "l"),
            project_id: "acme".to_owned(),
            endpoint: "e".to_owned(),
            deployed_model: "7".to_owned(),
            model: "m".to_owned(),
            model_display_name: "m".to_owned(),
            version: 1,
        };
        let version = Version {
            spec: [("containerSpec".to_owned(), spec)].into_iter().collect(),
            aliases: BTreeSet::new(),
            create_time: String::new(),
            update_time: String::new(),
            etag: String::new(),
            image: None,
            artifacts: Some("gs://managed/m".to_owned()),
        };
        Plan::new(tenant, &version, &json!({"machineType": "n1-standard-2"}))
    }

    #[test]
    fn the_contract() {
        let plan = plan(json!({
            "imageUri": "i", "args": ["--model", "$(AIP_STORAGE_URI)"], "healthRoute": "/health",
            "env": [{"name": "A", "value": "$(AIP_PROJECT_NUMBER)"}, {"name": "B", "value": "$(A)!"}],
        }));
        assert_eq!(plan.predict_route, "/v1/endpoints/e/deployedModels/7:predict");
        assert_eq!(plan.launch.args, ["--model", "gs://managed/m"]);
        let value = |name: &str| {
            let found = plan.launch.env.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        for (name, expected) in [
            ("AIP_HEALTH_ROUTE", "/health"),
            ("AIP_PREDICT_ROUTE", plan.predict_route.as_str()),
            ("AIP_STORAGE_URI", "gs://managed/m"),
            ("AIP_MODEL_NAME", "e"),
            ("AIP_VERSION_NAME", "7"),
            ("AIP_MACHINE_TYPE", "n1-standard-2"),
            ("A", "123"),
            ("B", "123!"),
        ] {
            assert_eq!(value(name), Some(expected), "{name}");
        }
        assert_eq!(value("AIP_ACCELERATOR_TYPE"), None);
    }
}
