//! What an endpoint may be set to.

use std::time::Duration;

use serde_json::{Map, Value};

use super::container_spec::text;
use super::names::check_display_name;
use super::refusal::{check_labels, invalid};
use crate::api::schema::seconds;
use crate::error::ApiError;

const MAX_INFERENCE: Duration = Duration::from_secs(3600);

pub(super) fn check(spec: &Map<String, Value>) -> Result<(), ApiError> {
    let get = |field: &str| spec.get(field).unwrap_or(&Value::Null);
    check_display_name("Endpoint", get("displayName").as_str().unwrap_or_default())?;
    check_labels(spec)?;
    check_logging(get("predictRequestResponseLoggingConfig"))?;
    check_key(get("encryptionSpec"))?;
    check_connection(get("clientConnectionConfig"))?;
    let network = get("network").as_str().unwrap_or_default();
    check_network(network)?;
    let is_private = get("enablePrivateServiceConnect") == &Value::Bool(true);
    let is_connected = !get("privateServiceConnectConfig").is_null();
    if !network.is_empty() && (is_private || is_connected) {
        let text = "Only one of the fields, network or private service connect, can be set.";
        return Err(invalid(text));
    }
    Ok(())
}

fn check_logging(config: &Value) -> Result<(), ApiError> {
    if config.is_null() {
        return Ok(());
    }
    let rate = config["samplingRate"].as_f64();
    let is_enabled = config["enabled"] == true;
    if rate.is_some_and(|rate| rate <= 0.0 || rate > 1.0) || (is_enabled && rate.is_none()) {
        return Err(invalid("The sampling rate must be a fraction in the range (0, 1]."));
    }
    let uri = text(&config["bigqueryDestination"], "outputUri");
    let parts = uri.strip_prefix("bq://").map(|rest| rest.split('.').collect::<Vec<_>>());
    let is_table =
        parts.is_some_and(|parts| parts.len() <= 3 && parts.iter().all(|part| !part.is_empty()));
    if is_table || (uri.is_empty() && !is_enabled) {
        return Ok(());
    }
    Err(invalid(&format!(
        "The BigQuery destination '{uri}' is invalid: it is of the form bq://projectId, \
         bq://projectId.bqDatasetId or bq://projectId.bqDatasetId.bqTableId."
    )))
}

/// `projects/P/locations/L/keyRings/R/cryptoKeys/K`
pub(super) fn check_key(spec: &Value) -> Result<(), ApiError> {
    if spec.is_null() {
        return Ok(());
    }
    let name = text(spec, "kmsKeyName");
    let parts: Vec<&str> = name.split('/').collect();
    let is_key = matches!(
        parts.as_slice(),
        ["projects", p, "locations", l, "keyRings", r, "cryptoKeys", k]
            if [p, l, r, k].iter().all(|part| !part.is_empty())
    );
    if is_key {
        return Ok(());
    }
    Err(invalid(&format!(
        "The KMS key name '{name}' is invalid: it is of the form \
         projects/my-project/locations/my-region/keyRings/my-kr/cryptoKeys/my-key."
    )))
}

fn check_connection(config: &Value) -> Result<(), ApiError> {
    match seconds(text(config, "inferenceTimeout")) {
        Some(timeout) if timeout.is_zero() || timeout > MAX_INFERENCE => {
            Err(invalid("The inference timeout must be between 1s and 3600s."))
        }
        _ => Ok(()),
    }
}

/// `projects/NUMBER/global/networks/NAME`
fn check_network(network: &str) -> Result<(), ApiError> {
    let parts: Vec<&str> = network.split('/').collect();
    match parts.as_slice() {
        [""] => Ok(()),
        ["projects", project, "global", "networks", name]
            if project.bytes().all(|b| b.is_ascii_digit())
                && !project.is_empty()
                && !name.is_empty() =>
        {
            Ok(())
        }
        _ => Err(invalid(&format!(
            "The network '{network}' is invalid: it is of the form \
             projects/12345/global/networks/myVPC, with the project's number."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_that_the_service_refuses() {
        let key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
        for (change, is_right) in [
            (json!({}), true),
            (json!({"displayName": ""}), false),
            (json!({"displayName": "d".repeat(129)}), false),
            (json!({"labels": {"A": "b"}}), false),
            (json!({"predictRequestResponseLoggingConfig": {"enabled": true}}), false),
            (
                json!({"predictRequestResponseLoggingConfig": {"enabled": true, "samplingRate": 0.1,
                       "bigqueryDestination": {"outputUri": "bq://p.d.t"}}}),
                true,
            ),
            (json!({"predictRequestResponseLoggingConfig": {"samplingRate": 2}}), false),
            (json!({"encryptionSpec": {"kmsKeyName": key}}), true),
            (json!({"encryptionSpec": {"kmsKeyName": "k"}}), false),
            (json!({"network": "projects/12/global/networks/n"}), true),
            (json!({"network": "projects/p/global/networks/n"}), false),
            (
                json!({"network": "projects/12/global/networks/n",
                       "privateServiceConnectConfig": {}}),
                false,
            ),
            (json!({"clientConnectionConfig": {"inferenceTimeout": "60s"}}), true),
            (json!({"clientConnectionConfig": {"inferenceTimeout": "3601s"}}), false),
        ] {
            let mut spec = json!({"displayName": "e"}).as_object().cloned().unwrap();
            spec.extend(change.as_object().cloned().unwrap());
            assert_eq!(check(&spec).is_ok(), is_right, "{change}");
        }
    }
}
