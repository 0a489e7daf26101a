//! Waiting until a version answers.

use aip::Waiting;
use aip::vertex::{Endpoint, Place};
use deployment::{Deployment, Kind};
use serde_json::json;
use stage::{Failure, Process};

use super::{create, failure, record};

const PERMISSION: &str = "aiplatform.endpoints.get";

/// `stages.version` of the document says what came of it.
pub(crate) fn wait(
    process: &Process,
    place: &Place,
    version: &str,
    document: &mut Deployment,
    waiting: &Waiting,
    operation: Option<&str>,
) -> Result<(), Failure> {
    let recorded = document.stages.version.as_ref();
    let id = recorded.and_then(|stage| stage.deployed_model_id.as_deref()).unwrap_or_default();
    if let Some(name) = operation {
        let operation = json!({"name": name});
        match aip::outcome(process, &place.service, waiting, &operation)? {
            Ok(_) => {}
            Err(message) => return Err(failure::deployment(place, id, &waiting.doing, &message)),
        }
    }
    let refused = |error| failure::refused(error, &waiting.doing, PERMISSION);
    let endpoint = Endpoint::read(place).map_err(refused)?;
    let deployed = endpoint.by_id(id).or_else(|| endpoint.by_version(version));
    let deployed = deployed.ok_or_else(|| {
        let message = format!("version '{version}' is not deployed to '{}'", place.endpoint_name());
        Failure::new(Kind::Refused, message).hint("run aip-version create again")
    })?;
    let number = deployed.0["modelVersionId"].as_str();
    let number = number.or_else(|| deployed.model().split_once('@').map(|(_, number)| number));
    let (id, number) = (deployed.id().to_owned(), number.unwrap_or(version).to_owned());
    record::ready(document, place, &number, &id, &endpoint);
    create::announce(place, version, &id, &endpoint);
    Ok(())
}
