//! An endpoint of Vertex AI, by the traffic split or one version of it.

use aip::vertex::{Deployed, Endpoint, Place};
use deployment::Deployment;
use gcp::vertex::predict::{DEDICATED_LIMIT, Method, SHARED_LIMIT, dedicated_root, request};
use log::{debug, warn};
use serde_json::{Map, Value, json};
use stage::Failure;

use crate::oracle::{Api, Oracle};

/// What is asked for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Predict,
    Raw,
    Explain,
}

impl Manner {
    fn method(self) -> Method {
        match self {
            Self::Predict => Method::Predict,
            Self::Raw => Method::RawPredict,
            Self::Explain => Method::Explain,
        }
    }
}

/// The route that our images answer at where nothing else is recorded.
const PREDICT_ROUTE: &str = "/predict";

/// `beside` goes into each request's body. With a version, that one answers or
/// none: a request cannot name it but by a method that few models have, so it
/// must have all the traffic.
pub(crate) fn oracle(
    place: &Place,
    version: Option<&str>,
    manner: Manner,
    document: &Deployment,
    beside: &mut Map<String, Value>,
) -> Result<Oracle, Failure> {
    let endpoint = read(place, version)?;
    let mut method = manner.method();
    if let Some(version) = version {
        let deployed = find(place, &endpoint, version)?;
        let id = deployed.id();
        match manner {
            Manner::Explain => {
                beside.insert("deployedModelId".into(), json!(id));
            }
            _ if endpoint.split().percent(id) == 100 => {}
            _ => method = invoke(place, &endpoint, deployed, document)?,
        }
    }
    let root = dedicated_root(&endpoint.0);
    let limit = if root.is_some() { DEDICATED_LIMIT } else { SHARED_LIMIT };
    let service = place.service.at(root.unwrap_or_else(|| place.service.api().root().into()))?;
    debug!("endpoint '{}' takes requests of {limit} bytes", place.endpoint_id);
    warn_of_impatience(&endpoint);
    let name = place.endpoint_name();
    let versions = endpoint.deployed();
    let versions = versions.iter().map(|one| (one.id().to_owned(), one.version().to_owned()));
    let api = Api::Vertex(versions.collect());
    Ok(Oracle { service, request: request(&name, &method), limit, name, api })
}

/// An answer that comes after this tool gave up waiting was work for nothing.
fn warn_of_impatience(endpoint: &Endpoint) {
    let seconds = endpoint.0["clientConnectionConfig"]["inferenceTimeout"].as_str();
    let seconds = seconds.and_then(|text| text.trim_end_matches('s').parse::<f64>().ok());
    let own = transport::silence().as_secs_f64();
    if let Some(seconds) = seconds.filter(|seconds| *seconds > own) {
        warn!(
            "predictions may take {seconds} s there, and are waited for {own} s; \
             set AIP_HTTP_TIMEOUT={seconds}"
        );
    }
}

/// What a dry run shows, of an endpoint that may not be there yet.
pub(crate) fn dry(place: Place, manner: Manner) -> Oracle {
    let name = place.endpoint_name();
    let request = request(&name, &manner.method());
    let api = Api::Vertex(Vec::new());
    Oracle { service: place.service, request, limit: SHARED_LIMIT, name, api }
}

/// The endpoint's record says where it is asked and by which limits. Who may
/// predict may not always look at it: then it is taken for a shared one.
fn read(place: &Place, version: Option<&str>) -> Result<Endpoint, Failure> {
    match Endpoint::read(place) {
        Ok(endpoint) => Ok(endpoint),
        Err(error) if error.status() == Some(403) && version.is_none() => {
            debug!("the endpoint's record may not be read: {error}");
            Ok(Endpoint(json!({})))
        }
        Err(error) => {
            let status = error.status();
            let failure = Failure::from(error)
                .context(format!("cannot look at endpoint '{}'", place.endpoint_id));
            Err(match status {
                Some(404) => failure.hint("see what is there: aip-model list"),
                Some(403) => failure.hint("the caller needs aiplatform.endpoints.get"),
                _ => failure,
            })
        }
    }
}

fn find<'a>(place: &Place, endpoint: &'a Endpoint, version: &str) -> Result<Deployed<'a>, Failure> {
    endpoint.by_version(version).ok_or_else(|| {
        let there: Vec<_> = endpoint.deployed().iter().map(|one| one.version()).collect();
        let message =
            format!("version '{version}' is not deployed to endpoint '{}'", place.endpoint_id);
        let failure = Failure::new(deployment::Kind::Refused, message).http_status(404);
        if there.is_empty() {
            failure.hint("nothing is: run aip-version create")
        } else {
            failure.hint(format!("there are '{}'", there.join("', '")))
        }
    })
}

/// One deployed model beside others has an address of its own only where its
/// container declares a prefix for it.
fn invoke(
    place: &Place,
    endpoint: &Endpoint,
    deployed: Deployed,
    document: &Deployment,
) -> Result<Method, Failure> {
    let model = deployed.0["model"].as_str().unwrap_or_default();
    let model = place.service.get(model).map_err(|error| {
        Failure::from(error)
            .context(format!("cannot look at the model of '{}'", deployed.version()))
    })?;
    if model["containerSpec"]["invokeRoutePrefix"].is_string() {
        let bundle = document.stages.bundle.as_ref();
        let image = bundle.and_then(|bundle| bundle.image.as_ref());
        let route = image.and_then(|image| image.predict_route.clone());
        let route = route.unwrap_or_else(|| PREDICT_ROUTE.into());
        return Ok(Method::Invoke { deployed_model: deployed.id().into(), route });
    }
    let (version, percent) = (deployed.version(), endpoint.split().percent(deployed.id()));
    let message = format!(
        "version '{version}' has {percent} % of the traffic of endpoint '{}', \
         and requests cannot choose",
        place.endpoint_id
    );
    Err(Failure::new(deployment::Kind::Refused, message)
        .hint("--default-version asks whichever answers; aip-predict batch asks this one alone")
        .hint(format!("aip-version traffic promote --version-name {version} gives it all")))
}
