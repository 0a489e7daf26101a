//! Operations that another run, or this one before it was ended, began.

use aip::Waiting;
use gcp::Service;
use log::{debug, info};
use serde_json::Value;
use stage::{Failure, Process};

/// Waits for those of a kind that run on a resource: what came of them can be
/// seen at the resource itself, and a failure is told to who began it.
pub(super) fn settle(
    process: &Process,
    service: &Service,
    waiting: &Waiting,
    parent: &str,
    kind: &str,
) -> Result<(), Failure> {
    for operation in running(service, parent, kind) {
        let name = operation["name"].as_str().unwrap_or_default();
        info!("{name} is under way; waiting for it");
        let ended = aip::outcome(process, service, waiting, &operation)?;
        if let Err(message) = ended {
            debug!("{name} failed: {message}");
        }
    }
    Ok(())
}

/// Services need not list their operations: then none is known.
fn running(service: &Service, parent: &str, kind: &str) -> Vec<Value> {
    let operations = service.list(parent, "operations").unwrap_or_else(|error| {
        debug!("the operations of '{parent}' cannot be listed: {error}");
        Vec::new()
    });
    let is_kind = |operation: &Value| {
        let of = operation["metadata"]["@type"].as_str().unwrap_or_default();
        operation["done"] != true && of.rsplit('.').next() == Some(kind)
    };
    operations.into_iter().filter(is_kind).collect()
}
