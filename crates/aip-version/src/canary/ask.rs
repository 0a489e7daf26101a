//! How one deployed model is asked that gets no traffic.

use aip::vertex::Endpoint;
use gcp::Service;
use gcp::vertex::predict::{DEDICATED_LIMIT, Method, SHARED_LIMIT, ask, dedicated_root, request};
use log::debug;
use serde_json::Value;
use stage::Failure;

use super::expected::Expected;
use super::{Candidate, probe};

/// By its container's own routes, where these can be invoked; else, as requests
/// cannot choose, at an endpoint that it has to itself for the while.
pub(super) fn predictions(
    candidate: &Candidate,
    endpoint: &Endpoint,
    expected: &Expected,
) -> Result<Value, Failure> {
    let Candidate { place, version, id, .. } = candidate;
    let cannot = || format!("cannot ask version '{version}'");
    let deployed = endpoint.by_id(id).ok_or_else(|| {
        Failure::failed(cannot())
            .because(format!("endpoint '{}' has no deployed model {id}", place.endpoint_id))
    })?;
    let model = deployed.0["model"].as_str().unwrap_or_default();
    let model = place.service.get(model);
    let model = model.map_err(|error| Failure::from(error).context(cannot()))?;
    if model["containerSpec"]["invokeRoutePrefix"].is_string() {
        let route = route(endpoint, id);
        let method = Method::Invoke { deployed_model: (*id).to_owned(), route };
        let name = place.endpoint_name();
        return asked(&place.service, &endpoint.0, &name, &method, expected)
            .map_err(|failure| failure.context(cannot()));
    }
    if let Some(private) = ["network", "privateServiceConnectConfig"]
        .iter()
        .find(|field| !endpoint.0[**field].is_null())
    {
        return Err(Failure::failed(cannot())
            .because(format!("endpoint '{}' is private: it has {private}", place.endpoint_id))
            .hint(
                "ask it from within the network, then give it traffic: aip-version traffic --set",
            ));
    }
    probe::with(candidate, endpoint, deployed, |name| {
        // It is a shared one.
        asked(&place.service, &Value::Null, name, &Method::RawPredict, expected)
            .map_err(|failure| failure.context(cannot()))
    })
}

/// Where the service has a container answer that declares no `predictRoute`,
/// and says so in `AIP_PREDICT_ROUTE`.
fn route(endpoint: &Endpoint, id: &str) -> String {
    let name = endpoint.0["name"].as_str().unwrap_or_default();
    let endpoint = name.rsplit('/').next().unwrap_or_default();
    format!("/v1/endpoints/{endpoint}/deployedModels/{id}:predict")
}

fn asked(
    service: &Service,
    endpoint: &Value,
    name: &str,
    method: &Method,
    expected: &Expected,
) -> Result<Value, Failure> {
    let root = dedicated_root(endpoint);
    let limit = if root.is_some() { DEDICATED_LIMIT } else { SHARED_LIMIT };
    let body = expected.body();
    if body.len() > limit {
        let message = format!("the recorded instances have {} bytes", body.len());
        return Err(Failure::failed(message)
            .because(format!("a request takes {limit}"))
            .hint("give fewer of them: --expect FILE"));
    }
    let own = root.map(|root| service.at(root)).transpose()?;
    let request = gcp::Request { body: Some(body), ..request(name, method) };
    let answer = ask(own.as_ref().unwrap_or(service), &request)?;
    debug!("deployed model {} answered", answer.deployed_model.as_deref().unwrap_or("?"));
    serde_json::from_str(answer.predictions.get())
        .map_err(|error| Failure::failed("the predictions are not JSON").cause(&error))
}
