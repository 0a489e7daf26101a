//! From a request to the method of the API that it means.

use std::collections::HashMap;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::any;

use super::refusal::unimplemented;
use super::{Inner, models, names, operations, predict, project, versions};
use crate::api::query;
use crate::error::ApiError;
use crate::fields;
use crate::state::App;

/// More than any request may have; a body is read before it is refused, or
/// clients see a broken connection instead of the refusal.
const MAX_READ: usize = 64 << 20;

/// One request, read.
pub(super) struct Call {
    pub app: App,
    pub query: HashMap<String, String>,
    pub body: Bytes,
}

impl Call {
    pub(super) fn ml(&self) -> &Inner {
        &self.app.ml.0
    }
}

pub fn router() -> Router<App> {
    Router::new().route("/v1/{*path}", any(dispatch)).layer(from_fn(fields::select))
}

async fn dispatch(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let target = names::parse(parts.uri.path().trim_start_matches("/v1/"))?;
    let body = to_bytes(body, MAX_READ).await.map_err(|_| predict::too_large())?;
    let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
    let method = parts.method.as_str();
    let query = match parameters(method, &segments, &target.verb) {
        Some(own) => query::read(&parts.uri, own)?,
        None => HashMap::new(),
    };
    route(&Call { app, query, body }, method, &segments, &target.verb).await
}

async fn route(
    call: &Call,
    method: &str,
    segments: &[&str],
    verb: &str,
) -> Result<Response, ApiError> {
    match (method, segments, verb) {
        ("GET", ["projects", p], "getConfig") => Ok(project::get_config(p)),
        ("GET", ["projects", p, "models"], "") => models::list(call, p),
        ("POST", ["projects", p, "models"], "") => models::create(call, p),
        ("GET", ["projects", p, "models", m], "") => models::get(call, p, m),
        ("PATCH", ["projects", p, "models", m], "") => models::patch(call, p, m),
        ("DELETE", ["projects", p, "models", m], "") => models::delete(call, p, m),
        ("GET", ["projects", p, "models", m, "versions"], "") => versions::list(call, p, m),
        ("POST", ["projects", p, "models", m, "versions"], "") => {
            versions::create(call, p, m).await
        }
        ("GET", ["projects", p, "models", m, "versions", v], "") => versions::get(call, p, m, v),
        ("PATCH", ["projects", p, "models", m, "versions", v], "") => {
            versions::patch(call, p, m, v)
        }
        ("DELETE", ["projects", p, "models", m, "versions", v], "") => {
            versions::delete(call, p, m, v)
        }
        ("POST", ["projects", p, "models", m, "versions", v], "setDefault") => {
            versions::set_default(call, p, m, v)
        }
        ("POST", ["projects", p, "models", m], "predict") => {
            predict::predict(call, p, m, None).await
        }
        ("POST", ["projects", p, "models", m, "versions", v], "predict") => {
            predict::predict(call, p, m, Some(v)).await
        }
        ("POST", _, "explain") => Err(predict::no_explanation()),
        ("GET", ["projects", p, "operations"], "") => operations::list(call, p),
        ("GET", ["projects", p, "operations", id], "") => operations::get(call, p, id),
        ("POST", ["projects", p, "operations", id], "cancel") => {
            operations::cancel(call, p, id).await
        }
        (_, _, "getIamPolicy" | "setIamPolicy" | "testIamPermissions") => {
            Err(unimplemented("access control"))
        }
        (_, ["projects", _, "jobs" | "locations", ..], _) => {
            Err(unimplemented("jobs, studies and locations of AI Platform"))
        }
        _ => Err(ApiError::new(404, "NOT_FOUND", "Method not found.")),
    }
}

/// As Google's description of the API has them; none for what the emulator
/// refuses in any case.
fn parameters(method: &str, segments: &[&str], verb: &str) -> Option<&'static [&'static str]> {
    Some(match (method, segments, verb) {
        (_, _, "explain" | "getIamPolicy" | "setIamPolicy" | "testIamPermissions")
        | (_, ["projects", _, "jobs" | "locations", ..], _) => return None,
        ("GET", ["projects", _, "operations"], "") => {
            &["filter", "pageSize", "pageToken", "returnPartialSuccess"]
        }
        ("GET", ["projects", _, "models"] | ["projects", _, "models", _, "versions"], "") => {
            &["filter", "pageSize", "pageToken"]
        }
        ("PATCH", _, "") => &["updateMask"],
        _ => &[],
    })
}
