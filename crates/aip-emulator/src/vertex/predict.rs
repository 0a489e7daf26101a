//! projects.locations.endpoints.predict

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::Full;
use serde_json::{Value, json};

use super::container_spec::text;
use super::endpoint::Deployed;
use super::http::Failed;
use super::numbers::through_doubles;
use super::plan::Plan;
use super::refusal::{invalid, not_found, precondition, unavailable};
use super::router::Call;
use super::schema;
use super::server::{NotServing, Server};
use crate::api::schema::seconds;
use crate::error::ApiError;
use crate::say::say;

/// 1.5 MB, and 10 MB for those who have an endpoint of their own
const SHARED_LIMIT: usize = 1_572_864;
const DEDICATED_LIMIT: usize = 10 << 20;

const SHARED_TIMEOUT: Duration = Duration::from_secs(60);
const DEDICATED_TIMEOUT: Duration = Duration::from_secs(10 * 60);

const ENDPOINT_ID: HeaderName = HeaderName::from_static("x-vertex-ai-endpoint-id");
const DEPLOYED_MODEL_ID: HeaderName = HeaderName::from_static("x-vertex-ai-deployed-model-id");

/// Whom a request is for, and what holds there.
#[derive(Debug)]
pub(super) struct Route {
    pub endpoint: String,
    pub id: String,
    pub deployed: Deployed,
    pub limit: usize,
    pub timeout: Duration,
}

pub(super) async fn predict(call: &Call, endpoint: &str) -> Result<Response, ApiError> {
    let route = route(call, endpoint, None)?;
    let mut request = schema::read("PredictRequest", &call.body)?;
    let Some(instances) = request.remove("instances") else {
        return Err(invalid("PredictRequest.instances is required."));
    };
    let mut body = json!({ "instances": through_doubles(instances) });
    if let Some(parameters) = request.remove("parameters") {
        body["parameters"] = through_doubles(parameters);
    }
    let server = route.server(call).await?;
    let plan = server.plan();
    let request = Request::post(route.url(&server, online_route(plan)?)?)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|_| invalid("The predict route of the Model is not a path."))?;
    let sent = call.vertex().http.send(request, route.timeout, route.limit).await;
    let answer = sent.map_err(|failed| route.broken(&failed))?;
    if answer.status() != StatusCode::OK {
        return Err(refused(answer.status(), answer.body()));
    }
    let mut shown = read_predictions(answer.body())?;
    shown["deployedModelId"] = route.id.clone().into();
    shown["model"] = call.place.model(&route.deployed.model).into();
    shown["modelDisplayName"] = plan.tenant.model_display_name.clone().into();
    shown["modelVersionId"] = route.deployed.version.to_string().into();
    Ok(route.mark(Json(shown).into_response()))
}

/// Where the container is asked for predictions. One that can be invoked has
/// no route for them.
pub(super) fn online_route(plan: &Plan) -> Result<&str, ApiError> {
    if plan.is_invokable {
        let text = "The DeployedModel's container has no predict_route: its Model has an \
                    invoke_route_prefix. Use invoke.";
        return Err(precondition(text));
    }
    Ok(&plan.predict_route)
}

/// What the container answered, as far as `PredictResponse` has room for it.
fn read_predictions(body: &[u8]) -> Result<Value, ApiError> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(predictions) = answer.get("predictions").filter(|list| list.is_array()) else {
        let text = format!(
            "Invalid response from prediction server - the response field predictions is missing. \
             Response: {}",
            String::from_utf8_lossy(body)
        );
        return Err(ApiError::new(500, "INTERNAL", text));
    };
    let mut shown = json!({ "predictions": through_doubles(predictions.clone()) });
    if let Some(metadata) = answer.get("metadata") {
        shown["metadata"] = through_doubles(metadata.clone());
    }
    Ok(shown)
}

/// What the container said instead, under the status that it gave.
fn refused(status: StatusCode, body: &[u8]) -> ApiError {
    let (code, name) = match status.as_u16() {
        401 => (401, "UNAUTHENTICATED"),
        403 => (403, "PERMISSION_DENIED"),
        404 => (404, "NOT_FOUND"),
        409 => (409, "ABORTED"),
        429 => (429, "RESOURCE_EXHAUSTED"),
        501 => (501, "UNIMPLEMENTED"),
        503 => (503, "UNAVAILABLE"),
        504 => (504, "DEADLINE_EXCEEDED"),
        code @ 500.. => (code, "INTERNAL"),
        _ => (400, "FAILED_PRECONDITION"),
    };
    let text = String::from_utf8_lossy(body);
    let text = if text.trim().is_empty() {
        format!("The model server answered {status}.")
    } else {
        text.into_owned()
    };
    ApiError::new(code, name, text)
}

/// Finds who answers: the traffic decides, unless `wanted` names one.
pub(super) fn route(call: &Call, endpoint: &str, wanted: Option<&str>) -> Result<Route, ApiError> {
    let vertex = call.vertex();
    let name = call.place.endpoint(endpoint);
    let route = vertex.catalog.read(|catalog| {
        let found = catalog.endpoint(&call.place, endpoint)?;
        let is_dedicated = found.is_dedicated();
        if is_dedicated && call.host() != vertex.dns() {
            return Err(precondition(&format!(
                "Dedicated Endpoint cannot be accessed through the shared Vertex AI domain \
                 aiplatform.googleapis.com. Please access the endpoint using its dedicated domain \
                 name '{}'",
                vertex.dns()
            )));
        }
        let id = match wanted {
            Some(id) => id.to_owned(),
            None if found.deployed.is_empty() => {
                return Err(precondition(&format!("Endpoint `{name}` has no deployed model.")));
            }
            None => vertex.splitter.next(&name, &found.traffic).ok_or_else(|| {
                let text = "none of its deployed models has traffic assigned to it";
                precondition(&format!("Endpoint `{name}` cannot predict: {text}."))
            })?,
        };
        let missing = || not_found("DeployedModel", &format!("{name}/deployedModels/{id}"));
        let deployed = found.deployed.get(&id).ok_or_else(missing)?.clone();
        let (limit, default) = if is_dedicated {
            (DEDICATED_LIMIT, DEDICATED_TIMEOUT)
        } else {
            (SHARED_LIMIT, SHARED_TIMEOUT)
        };
        let config = found.spec.get("clientConnectionConfig").unwrap_or(&Value::Null);
        let timeout = seconds(text(config, "inferenceTimeout")).unwrap_or(default);
        Ok(Route { endpoint: endpoint.to_owned(), id, deployed, limit, timeout })
    })?;
    if call.body.len() > route.limit {
        return Err(too_large(route.limit));
    }
    Ok(route)
}

pub(super) fn too_large(limit: usize) -> ApiError {
    invalid(&format!("Request payload size exceeds the limit: {limit} bytes."))
}

impl Route {
    /// The server, which is started if an earlier run of the emulator had it.
    pub(super) async fn server(&self, call: &Call) -> Result<Server, ApiError> {
        let (vertex, name) = (&call.app.vertex, call.place.endpoint(&self.endpoint));
        let start = async {
            let is_deployed = vertex.0.catalog.read(|catalog| {
                let endpoint = catalog.endpoint(&call.place, &self.endpoint);
                endpoint.is_ok_and(|endpoint| endpoint.deployed.contains_key(&self.id))
            });
            if !is_deployed {
                return Err(NotServing("undeployed meanwhile".to_owned()));
            }
            let plan = vertex.plan(&call.place, &self.endpoint, &self.id, &self.deployed);
            let plan = plan.map_err(|err| NotServing(err.message().to_owned()))?;
            Server::start(vertex.host(&call.app), plan, |_| {}).await
        };
        let served = vertex.0.serving.get(&name, &self.id, start).await;
        served.map_err(|failed| {
            say(&format!("{}/{}: {failed}", self.endpoint, self.id));
            self.unwell()
        })
    }

    /// Where the server is asked for `path`.
    pub(super) fn url(&self, server: &Server, path: &str) -> Result<String, ApiError> {
        server.url().map(|url| format!("{url}{path}")).ok_or_else(|| self.unwell())
    }

    fn unwell(&self) -> ApiError {
        unavailable(&format!("The DeployedModel with ID {} is not healthy.", self.id))
    }

    pub(super) fn broken(&self, failed: &Failed) -> ApiError {
        match failed {
            Failed::TimedOut => {
                let text = format!("The prediction took more than {} s.", self.timeout.as_secs());
                ApiError::new(504, "DEADLINE_EXCEEDED", text)
            }
            Failed::TooLarge => {
                let text = format!("Response size too large. The limit is {} bytes.", self.limit);
                precondition(&text)
            }
            Failed::Refused => self.unwell(),
            Failed::Broken => unavailable("The model server broke off the connection."),
        }
    }

    /// Says who answered.
    pub(super) fn mark(&self, mut response: Response) -> Response {
        let said = [(ENDPOINT_ID, &self.endpoint), (DEPLOYED_MODEL_ID, &self.id)];
        for (header, value) in said {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(header, value);
            }
        }
        response
    }
}
