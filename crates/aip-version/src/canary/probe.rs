//! An endpoint for one version alone, for as long as it is asked.
//!
//! Vertex AI has no request that names a deployed model but `explain`, for
//! models with an explanation, and `invoke`, for containers that give up
//! `predict` for it: <https://github.com/googleapis/python-aiplatform/issues/827>.

use aip::Waiting;
use aip::vertex::{Deployed, Endpoint};
use deployment::Extra;
use gcp::vertex::{create_endpoint, deploy_model, undeploy_model};
use gcp::{Called, Request};
use log::{info, warn};
use serde_json::{Value, json};
use stage::Failure;

use super::Candidate;

/// The label that says whose it is.
const LABEL: &str = "mlflow-aip-check";

/// Fields of a deployed model that the service fills in.
const OUTPUT: &[&str] =
    &["createTime", "modelVersionId", "status", "privateEndpoints", "systemLabels"];

struct Probe<'a> {
    candidate: &'a Candidate<'a>,
    /// Of the deployed model's id, which is made of its content: another run for
    /// the same version finds it, one for another version does not.
    id: String,
    name: String,
}

/// Deploys the same once more, alone, has `work` ask it there by the endpoint's
/// name, and removes it again, whatever came of it.
pub(super) fn with(
    candidate: &Candidate,
    endpoint: &Endpoint,
    deployed: Deployed,
    work: impl FnOnce(&str) -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    let id = format!("check-{}", candidate.id);
    let name = format!("{}/endpoints/{id}", candidate.place.location_name());
    let probe = Probe { candidate, id, name };
    let message = format!("interrupted while asking version '{}'", candidate.version);
    let resume = format!(
        "endpoint '{}' may be left, and costs: run the same command again, which removes it",
        probe.id
    );
    let _interrupt = candidate.process.on_interrupt(message, resume)?;
    let asked = probe.create(endpoint).and_then(|()| {
        probe.deploy(deployed)?;
        work(&probe.name)
    });
    if let Err(failure) = probe.remove() {
        warn!("endpoint '{}' could not be removed, and costs: {failure}", probe.id);
    }
    asked
}

impl Probe<'_> {
    fn waiting(&self, doing: String) -> Waiting {
        self.candidate.waiting(doing)
    }

    /// Sends what is answered with an operation and waits for it.
    fn operate(&self, request: &Request, doing: String) -> Result<(), Failure> {
        let service = &self.candidate.place.service;
        let operation = service
            .call(request)
            .map_err(|error| Failure::from(error).context(format!("cannot {doing}")))?;
        let waiting = self.waiting(doing);
        aip::wait_for_operation(self.candidate.process, service, &waiting, &operation).map(drop)
    }

    fn create(&self, main: &Endpoint) -> Result<(), Failure> {
        let place = self.candidate.place;
        let mut endpoint = Extra::new();
        let display_name = format!("{} {} check", place.model, self.candidate.version);
        let display_name: String = display_name.chars().take(128).collect();
        endpoint.insert("displayName".into(), json!(display_name));
        endpoint.insert("labels".into(), json!({LABEL: place.endpoint_id}));
        if !main.0["encryptionSpec"].is_null() {
            endpoint.insert("encryptionSpec".into(), main.0["encryptionSpec"].clone());
        }
        let location = place.location_name();
        let request = create_endpoint(&location, &self.id, &Value::Object(endpoint));
        info!(
            "asking version '{}' at an endpoint of its own, '{}'",
            self.candidate.version, self.id
        );
        let doing = format!("create endpoint '{}'", self.id);
        match place.service.call(&request) {
            Ok(operation) => {
                let waiting = self.waiting(doing);
                aip::wait_for_operation(
                    self.candidate.process,
                    &place.service,
                    &waiting,
                    &operation,
                )
                .map(drop)
            }
            // Left by a run that was ended.
            Err(error) if error.status() == Some(409) => Ok(()),
            Err(error) => Err(Failure::from(error).context(format!("cannot {doing}"))),
        }
    }

    fn deploy(&self, deployed: Deployed) -> Result<(), Failure> {
        let service = &self.candidate.place.service;
        let mut deployed = deployed.0.clone();
        if let Some(fields) = deployed.as_object_mut() {
            fields.retain(|key, _| !OUTPUT.contains(&key.as_str()));
        }
        let resources = &mut deployed["dedicatedResources"];
        if resources.is_object() {
            resources["minReplicaCount"] = json!(1);
            resources["maxReplicaCount"] = json!(1);
        }
        let find = || {
            let endpoint = Endpoint(service.get(&self.name)?);
            Ok(endpoint.by_id(self.candidate.id).is_some().then_some(()))
        };
        let doing =
            format!("deploy version '{}' to endpoint '{}'", self.candidate.version, self.id);
        let cannot = |error: gcp::Error| Failure::from(error).context(format!("cannot {doing}"));
        if find().map_err(cannot)?.is_some() {
            return Ok(());
        }
        let request = deploy_model(&self.name, &deployed, &json!({"0": 100}));
        match service.call_unless(&request, find).map_err(cannot)? {
            Called::Found(()) => Ok(()),
            Called::Answer(operation) => {
                let waiting = self.waiting(doing.clone());
                aip::wait_for_operation(self.candidate.process, service, &waiting, &operation)
                    .map(drop)
            }
        }
    }

    fn remove(&self) -> Result<(), Failure> {
        let service = &self.candidate.place.service;
        let doing = format!("remove endpoint '{}'", self.id);
        let found = match service.get(&self.name) {
            Ok(found) => Endpoint(found),
            Err(error) if error.status() == Some(404) => return Ok(()),
            Err(error) => return Err(Failure::from(error).context(format!("cannot {doing}"))),
        };
        for deployed in found.deployed() {
            let request = undeploy_model(&self.name, deployed.id(), &json!({}));
            self.operate(&request, doing.clone())?;
        }
        self.operate(&gcp::delete(&self.name), doing)
    }
}
