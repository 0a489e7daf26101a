//! The API's `Version`, from the document.

use deployment::Deployment;
use serde_json::{Value, json};
use stage::Failure;

/// The last runtime that AI Platform Prediction had.
const RUNTIME_VERSION: &str = "2.11";

/// `requestLoggingConfig` is left out: the service ignores it at creation and
/// takes it by an update.
pub(crate) fn resource(document: &Deployment, version: &str) -> Result<Value, Failure> {
    let bundle = document.stages.bundled()?;
    let upload = document.stages.uploaded()?;
    let mut fields = document.spec.ai_platform.version.clone();
    fields.remove("requestLoggingConfig");
    fields.insert("name".into(), json!(version));
    fields.insert("deploymentUri".into(), json!(upload.deployment_uri));
    let more = fields.remove("packageUris").unwrap_or_default();
    let own = upload.package_uris.iter().map(|uri| json!(uri));
    let more = more.as_array().into_iter().flatten().cloned();
    fields.insert("packageUris".into(), own.chain(more).collect());
    let mut default = |key: &str, value: &str| {
        fields.entry(key).or_insert_with(|| json!(value));
    };
    default("predictionClass", &bundle.prediction_class);
    default("pythonVersion", &bundle.python_version);
    default("runtimeVersion", RUNTIME_VERSION);
    default("machineType", "mls1-c1-m2");
    if let Some(fetch) = &document.stages.fetch {
        default("description", &format!("MLflow model {}", fetch.model_uri));
    }
    aip::merge(&mut fields, aip::lineage(document));
    Ok(Value::Object(fields))
}
