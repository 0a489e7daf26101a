//! What a model says of its container: checks, and what comes of it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::refusal::invalid;
use crate::api::schema::seconds;
use crate::error::ApiError;

const MAX_VARIABLES: usize = 200;
const MAX_TIMEOUT: Duration = Duration::from_secs(2 * 3600);

/// The service gives servers longer; whoever waits for an emulator wants to
/// know sooner.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The only prefix there is.
const INVOKE_PREFIX: &str = "/*";

pub(super) fn check(model: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(spec) = model.get("containerSpec") else {
        return Err(invalid("Model.container_spec is required for custom-trained models."));
    };
    if text(spec, "imageUri").is_empty() {
        return Err(invalid("Model.container_spec.image_uri is required."));
    }
    for route in ["predictRoute", "healthRoute"] {
        let path = text(spec, route);
        if !path.is_empty() && !path.starts_with('/') {
            return Err(invalid(&format!("The route '{path}' must start with '/'.")));
        }
    }
    check_invoke(spec)?;
    check_env(spec)?;
    let ports = list(spec, "ports").iter().chain(list(spec, "grpcPorts"));
    for port in ports.map(|port| port["containerPort"].as_i64().unwrap_or(0)) {
        if !(1..=65535).contains(&port) {
            let text = format!("The container port {port} must be between 1 and 65535.");
            return Err(invalid(&text));
        }
    }
    if list(spec, "ports").is_empty() && !list(spec, "grpcPorts").is_empty() {
        return Err(crate::api::refusal::unimplemented("gRPC to containers"));
    }
    match text(spec, "deploymentTimeout") {
        "" => Ok(()),
        given if seconds(given).is_some_and(|time| time <= MAX_TIMEOUT) => Ok(()),
        given => Err(invalid(&format!("The deployment timeout {given} must be at most 7200s."))),
    }
}

fn check_invoke(spec: &Value) -> Result<(), ApiError> {
    let prefix = text(spec, "invokeRoutePrefix");
    if prefix.is_empty() {
        return Ok(());
    }
    if prefix != INVOKE_PREFIX {
        return Err(invalid("\"/*\" is the only supported value of invoke_route_prefix."));
    }
    if !text(spec, "predictRoute").is_empty() {
        return Err(invalid("Only one of predict_route or invoke_route_prefix can be set."));
    }
    Ok(())
}

fn check_env(spec: &Value) -> Result<(), ApiError> {
    let env = list(spec, "env");
    if env.len() > MAX_VARIABLES {
        let text = format!("At most {MAX_VARIABLES} environment variables can be specified.");
        return Err(invalid(&text));
    }
    for name in env.iter().map(|variable| text(variable, "name")) {
        if name.starts_with("AIP_") {
            let text = format!(
                "The environment variable '{name}' is invalid: names must not start with 'AIP_'."
            );
            return Err(invalid(&text));
        }
        let is_identifier = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_identifier {
            let text = format!("The environment variable '{name}' is not a valid C identifier.");
            return Err(invalid(&text));
        }
    }
    Ok(())
}

pub(super) fn text<'a>(spec: &'a Value, field: &str) -> &'a str {
    spec[field].as_str().unwrap_or_default()
}

pub(super) fn list<'a>(spec: &'a Value, field: &str) -> &'a [Value] {
    spec[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn texts(spec: &Value, field: &str) -> Vec<String> {
    list(spec, field).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(super) fn timeout(spec: &Value) -> Duration {
    seconds(text(spec, "deploymentTimeout")).unwrap_or(DEFAULT_TIMEOUT)
}

/// Whether any path of the container may be asked for.
pub(super) fn is_invokable(spec: &Value) -> bool {
    text(spec, "invokeRoutePrefix") == INVOKE_PREFIX
}

/// Replaces `$(NAME)` by the variable of that name; `$$` stands for `$`, and
/// what is not set stays as it is, as in Kubernetes.
pub(super) fn expand(value: &str, env: &[(String, String)]) -> String {
    let mut expanded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let variable = after.strip_prefix('(').and_then(|name| name.split_once(')'));
        rest = match (after.strip_prefix('$'), variable) {
            (Some(after), _) => {
                expanded.push('$');
                after
            }
            (None, Some((name, after))) => {
                let found = env.iter().rev().find(|(known, _)| known == name);
                match found {
                    Some((_, value)) => expanded.push_str(value),
                    None => expanded.extend(["$(", name, ")"]),
                }
                after
            }
            (None, None) => {
                expanded.push('$');
                after
            }
        };
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(spec: &Value) -> Result<(), String> {
        let model = json!({ "containerSpec": spec }).as_object().cloned().unwrap();
        check(&model).map_err(|err| err.message().to_owned())
    }

    #[test]
    fn what_the_service_refuses() {
        let long = vec![json!({"name": "A"}); 201];
        for (spec, part) in [
            (json!({}), "image_uri"),
            (json!({"imageUri": "i", "predictRoute": "p"}), "'/'"),
            (json!({"imageUri": "i", "invokeRoutePrefix": "/v1/*"}), "only supported"),
            (json!({"imageUri": "i", "invokeRoutePrefix": "/*", "predictRoute": "/p"}), "one of"),
            (json!({"imageUri": "i", "env": [{"name": "AIP_X"}]}), "AIP_"),
            (json!({"imageUri": "i", "env": [{"name": "a-b"}]}), "identifier"),
            (json!({"imageUri": "i", "env": long}), "200"),
            (json!({"imageUri": "i", "ports": [{"containerPort": 0}]}), "65535"),
            (json!({"imageUri": "i", "deploymentTimeout": "7201s"}), "7200s"),
        ] {
            let error = checked(&spec).unwrap_err();
            assert!(error.contains(part), "{spec}: {error}");
        }
        let good = json!({"imageUri": "i", "env": [{"name": "A_1", "value": ""}],
                          "ports": [{"containerPort": 8080}], "deploymentTimeout": "7200s"});
        assert_eq!(checked(&good), Ok(()));
        assert!(check(&Map::new()).is_err());
    }

    #[test]
    fn variables_are_replaced_as_in_kubernetes() {
        let env = vec![("A".to_owned(), "1".to_owned())];
        for (value, expected) in
            [("$(A) bar", "1 bar"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$A $", "$A $"), ("", "")]
        {
            assert_eq!(expand(value, &env), expected);
        }
    }
}
