//! What can only be done once a version is there, and the record of it.

use aip::Waiting;
use aip::ai_platform::Place;
use deployment::{Deployment, Extra};
use gcp::Request;
use log::info;
use serde_json::{Value, json};
use stage::{Failure, Process};

/// `requestLoggingConfig` is set by an update: the service ignores it at creation.
pub(crate) fn log_requests_by(place: &Place, version: &str, fields: &Extra) -> Option<Request> {
    let logging = fields.get("requestLoggingConfig")?;
    let body = json!({"requestLoggingConfig": logging});
    Some(gcp::patch(&place.version_name(version), "requestLoggingConfig", &body))
}

/// `found` is the version as it is, and may already log as it should.
pub(crate) fn log_requests(
    process: &Process,
    place: &Place,
    version: &str,
    document: &Deployment,
    found: &Value,
) -> Result<(), Failure> {
    let fields = &document.spec.ai_platform.version;
    let Some(request) = log_requests_by(place, version, fields) else { return Ok(()) };
    if fields.get("requestLoggingConfig") == found.get("requestLoggingConfig") {
        return Ok(());
    }
    let doing = format!("log the requests of version '{version}'");
    let operation = place
        .service
        .call(&request)
        .map_err(|error| Failure::from(error).context(format!("cannot {doing}")))?;
    let resume = "run the same command again".to_owned();
    let waiting = Waiting { doing, resume, timeout: std::time::Duration::from_secs(600) };
    aip::wait_for_operation(process, &place.service, &waiting, &operation).map(drop)
}

/// The stage's record of a version that is there.
pub(crate) fn record(document: &mut Deployment, name: String, created: bool, found: &Value) {
    let stage = document.stages.version.get_or_insert_default();
    stage.name = name;
    stage.created = created;
    stage.state = found["state"].as_str().unwrap_or("READY").into();
    stage.operation = None;
    stage.is_default = Some(found["isDefault"] == true);
    stage.notes.clear();
    if !found["createTime"].is_null() {
        stage.notes.insert("createTime".into(), found["createTime"].clone());
    }
}

pub(crate) fn announce(name: &str, found: &Value) {
    let default = if found["isDefault"] == true { ", and the model's default" } else { "" };
    info!("version '{name}' is ready{default}");
}
