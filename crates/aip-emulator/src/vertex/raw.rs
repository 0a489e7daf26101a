//! rawPredict, streamRawPredict and invoke: bytes to the container and back.

use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request, response};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use serde_json::Value;

use super::predict::{Route, online_route, route};
use super::refusal::{invalid, precondition};
use super::router::Call;
use crate::error::ApiError;

pub(super) async fn predict(call: &Call, endpoint: &str) -> Result<Response, ApiError> {
    let route = route(call, endpoint, None)?;
    let request = request(call, &route, None).await?;
    let sent = call.vertex().http.send(request, route.timeout, route.limit).await;
    let (parts, body) = sent.map_err(|failed| route.broken(&failed))?.into_parts();
    Ok(answer(&route, parts, Body::from(body)))
}

pub(super) async fn stream(call: &Call, endpoint: &str) -> Result<Response, ApiError> {
    let route = route(call, endpoint, None)?;
    let request = request(call, &route, None).await?;
    let sent = call.vertex().http.stream(request, route.timeout).await;
    let (parts, body) = sent.map_err(|failed| route.broken(&failed))?.into_parts();
    Ok(answer(&route, parts, body))
}

/// Any path of a container that asked for this; a deployed model that is named
/// answers whatever its traffic.
pub(super) async fn invoke(
    call: &Call,
    endpoint: &str,
    deployed: Option<&str>,
    path: &str,
) -> Result<Response, ApiError> {
    let route = route(call, endpoint, deployed)?;
    let request = request(call, &route, Some(path)).await?;
    let sent = call.vertex().http.stream(request, route.timeout).await;
    let (parts, body) = sent.map_err(|failed| route.broken(&failed))?.into_parts();
    Ok(answer(&route, parts, body))
}

async fn request(
    call: &Call,
    route: &Route,
    path: Option<&str>,
) -> Result<Request<Full<Bytes>>, ApiError> {
    let server = route.server(call).await?;
    let path = match path {
        Some(path) if server.plan().is_invokable => path,
        Some(_) => {
            let text = "The DeployedModel's container does not support invoke: its Model has no \
                        invoke_route_prefix.";
            return Err(precondition(text));
        }
        None => online_route(server.plan())?,
    };
    let (content_type, body) = payload(call)?;
    let mut request = Request::post(route.url(&server, path)?);
    if let Some(value) = content_type {
        request = request.header(CONTENT_TYPE, value);
    }
    if let Some(value) = call.headers.get(ACCEPT) {
        request = request.header(ACCEPT, value);
    }
    request.body(Full::new(body)).map_err(|_| invalid("The path to the container is no path."))
}

/// The bytes and their type: the request's own, or those in the `httpBody`
/// that Google's REST clients wrap them in.
fn payload(call: &Call) -> Result<(Option<HeaderValue>, Bytes), ApiError> {
    let own = || (call.headers.get(CONTENT_TYPE).cloned(), call.body.clone());
    let Ok(Value::Object(message)) = serde_json::from_slice::<Value>(&call.body) else {
        return Ok(own());
    };
    let wrapped = message.get("httpBody").or_else(|| message.get("http_body"));
    let known = ["httpBody", "http_body", "endpoint", "deployedModelId"];
    let Some(wrapped) = wrapped.filter(|_| message.keys().all(|key| known.contains(&&**key)))
    else {
        return Ok(own());
    };
    let text = wrapped["data"].as_str().unwrap_or_default();
    let data = STANDARD.decode(text).map_err(|_| invalid("Invalid value at 'http_body.data'."))?;
    let kind = wrapped["contentType"].as_str().or(wrapped["content_type"].as_str());
    let kind = kind.unwrap_or("application/json");
    Ok((HeaderValue::from_str(kind).ok(), data.into()))
}

/// The container's answer, whatever it says, but for what belongs to the
/// connection.
fn answer(route: &Route, mut parts: response::Parts, body: Body) -> Response {
    for header in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        parts.headers.remove(header);
    }
    parts.headers.remove("connection");
    route.mark(Response::from_parts(parts, body))
}
