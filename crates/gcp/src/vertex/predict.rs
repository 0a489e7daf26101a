//! Online prediction.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use transport::HttpError;

use crate::api::Request;
use crate::{Error, Service};

/// The largest request, and the largest answer, of an endpoint on the shared
/// domain, and of one with a domain of its own.
/// <https://cloud.google.com/vertex-ai/docs/predictions/choose-endpoint-type>
pub const SHARED_LIMIT: usize = 1_500_000;
pub const DEDICATED_LIMIT: usize = 10_000_000;

/// How an endpoint is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// By the traffic split. Numbers go through protobuf's doubles.
    Predict,
    /// The same, but the container gets the body as it is, and so does the caller.
    RawPredict,
    /// Only for models with an explanation; the body may name a deployed model.
    Explain,
    /// A route of one deployed model, whatever its traffic: only where its
    /// container declares `invokeRoutePrefix`, which rules out the others.
    Invoke { deployed_model: String, route: String },
}

/// An answer, its parts as they came.
#[derive(Debug)]
pub struct Answer {
    pub predictions: Box<RawValue>,
    pub explanations: Option<Box<RawValue>>,
    /// Who answered.
    pub deployed_model: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    predictions: Option<Box<RawValue>>,
    explanations: Option<Box<RawValue>>,
    deployed_model_id: Option<String>,
    error: Option<Value>,
}

/// The root at which an endpoint answers predictions, where that is not the
/// service's own. A dedicated domain without a scheme is reached over TLS,
/// unless it is this machine's.
pub fn dedicated_root(endpoint: &Value) -> Option<String> {
    if endpoint["dedicatedEndpointEnabled"] != true {
        return None;
    }
    let domain = endpoint["dedicatedEndpointDns"].as_str().filter(|domain| !domain.is_empty())?;
    let domain = domain.trim_end_matches('/');
    if domain.contains("://") {
        return Some(domain.to_owned());
    }
    let plain = format!("http://{domain}");
    Some(if transport::is_loopback(&plain) { plain } else { format!("https://{domain}") })
}

/// The request without its body.
pub fn request(endpoint: &str, method: &Method) -> Request {
    let path = match method {
        Method::Predict => format!("/v1/{endpoint}:predict"),
        Method::RawPredict => format!("/v1/{endpoint}:rawPredict"),
        Method::Explain => format!("/v1/{endpoint}:explain"),
        Method::Invoke { deployed_model, route } => {
            let route = route.trim_start_matches('/');
            format!("/v1/{endpoint}/deployedModels/{deployed_model}/invoke/{route}")
        }
    };
    Request::new("POST", path)
}

/// Asks, and gives the predictions digit for digit as they came.
pub fn ask(service: &Service, request: &Request) -> Result<Answer, Error> {
    let answer = service.api().exchange(request)?;
    let url = format!("{}{}", service.api().root(), request.path);
    let unreadable = |message: &str| HttpError::unreadable("POST", &url, &message);
    let body: Body = serde_json::from_slice(&answer.body)
        .map_err(|error| unreadable(&format!("the answer is not JSON: {error}")))?;
    let Some(predictions) = body.predictions else {
        let message = match body.error {
            Some(Value::String(text)) => text,
            _ => "the answer has no predictions".into(),
        };
        return Err(unreadable(&message).into());
    };
    let by_header = answer.header("x-vertex-ai-deployed-model-id").map(str::to_owned);
    Ok(Answer {
        predictions,
        explanations: body.explanations,
        deployed_model: body.deployed_model_id.or(by_header),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dedicated_endpoint_has_a_root_of_its_own() {
        let root = |domain: &str| {
            let endpoint =
                json!({"dedicatedEndpointEnabled": true, "dedicatedEndpointDns": domain});
            dedicated_root(&endpoint).unwrap_or_default()
        };
        let domain = "iris.us-central1-1.prediction.vertexai.goog";
        assert_eq!(root(domain), format!("https://{domain}"));
        assert_eq!(root(&format!("https://{domain}/")), format!("https://{domain}"));
        assert_eq!(root("127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(root("iris.localhost:80"), "http://iris.localhost:80");
        assert_eq!(root("127.0.0.1.example.com"), "https://127.0.0.1.example.com");
        assert_eq!(root(""), "");
        assert_eq!(dedicated_root(&json!({"dedicatedEndpointDns": domain})), None);
    }

    #[test]
    fn each_method_has_its_path() {
        let invoke = Method::Invoke { deployed_model: "7".into(), route: "/predict".into() };
        let path = |method: &Method| request("projects/p/locations/l/endpoints/e", method).path;
        assert_eq!(path(&Method::Predict), "/v1/projects/p/locations/l/endpoints/e:predict");
        assert_eq!(
            path(&invoke),
            "/v1/projects/p/locations/l/endpoints/e/deployedModels/7/invoke/predict"
        );
    }
}
