//! The split as JSON.

use aip::Subject;
use aip::vertex::{Endpoint, Place};
use serde_json::{Map, Value, json};
use stage::{Failure, Output};

use super::change::{Change, unreadable};
use super::{history, names};

pub(super) fn run(subject: &Subject, place: &Place) -> Result<Output, Failure> {
    if let Some(dry) = subject.dry(&[gcp::get(&place.endpoint_name())]) {
        return Ok(dry);
    }
    let endpoint = Endpoint::read(place).map_err(|error| unreadable(place, error))?;
    let history: Vec<_> = history::read(&endpoint.0["labels"])
        .iter()
        .map(|split| Value::Object(names::split(&endpoint, split)))
        .collect();
    let deployed: Vec<_> = names::all(&endpoint)
        .into_iter()
        .map(|one| {
            json!({
                "version": one.name,
                "percent": endpoint.split().percent(one.deployed.id()),
                "deployedModelId": one.deployed.id(),
                "model": one.deployed.0["model"],
            })
        })
        .collect();
    Ok(Output::Json(json!({
        "endpoint": place.endpoint_name(),
        "traffic": all(&endpoint),
        "deployed": deployed,
        "history": history,
    })))
}

pub(super) fn changed(place: &Place, change: &Change) -> Value {
    let mut shown = json!({
        "endpoint": place.endpoint_name(),
        "changed": change.changed,
        "traffic": all(&change.endpoint),
        "before": names::split(&change.endpoint, &change.before),
    });
    if let Some(request) = &change.dry {
        shown["dryRun"] = json!(true);
        shown["requests"] = json!([request]);
    }
    shown
}

/// Percent by version, also of those that get nothing.
fn all(endpoint: &Endpoint) -> Map<String, Value> {
    let split = endpoint.split();
    let named = names::all(endpoint).into_iter();
    named.map(|one| (one.name, split.percent(one.deployed.id()).into())).collect()
}
