//! From a request to the method of the API that it means.

use std::collections::HashMap;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::{any, post};

use super::names::Place;
use super::path::{self, Target};
use super::{
    Inner, deploy, deployed, endpoints, explain, jobs, logging, models, operations, parameters,
    predict, raw, upload, versions,
};
use crate::api::query;
use crate::api::refusal::unimplemented;
use crate::error::ApiError;
use crate::fields;
use crate::state::App;

/// More than any request may have; a body is read before it is refused, or
/// clients see a broken connection instead of the refusal.
const MAX_READ: usize = 64 << 20;

/// One request, read.
pub(super) struct Call {
    pub app: App,
    pub place: Place,
    pub query: HashMap<String, String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub(super) fn vertex(&self) -> &Inner {
        &self.app.vertex.0
    }

    /// The name under which the client asked.
    pub(super) fn host(&self) -> &str {
        self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
    }
}

/// Google's clients ask for the same under three roots.
pub(crate) fn router() -> Router<App> {
    let mut router = Router::new().route("/v2/entries:list", post(logging::list));
    for root in ["v1", "v1beta1", "ui"] {
        let path = format!("/{root}/projects/{{project}}/locations/{{location}}/{{*rest}}");
        router = router.route(&path, any(dispatch));
    }
    router.layer(from_fn(fields::select))
}

async fn dispatch(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_start_matches('/');
    let target = path::parse(path.split_once('/').map_or("", |(_, rest)| rest))?;
    let body = to_bytes(body, MAX_READ).await.map_err(|_| predict::too_large(MAX_READ))?;
    let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
    let method = parts.method.as_str();
    let own = parameters::of(method, &segments, &target.verb);
    // What a container is asked is its own business.
    let query =
        if target.invoke.is_some() { HashMap::new() } else { query::read(&parts.uri, own)? };
    app.vertex.remember_project(&target.project);
    let place = target.place.clone();
    let call = Call { app, place, query, headers: parts.headers, body };
    if let Some(path) = &target.invoke {
        let path = match parts.uri.query() {
            Some(query) => format!("/{path}?{query}"),
            None => format!("/{path}"),
        };
        return match (method, segments.as_slice()) {
            ("POST", ["endpoints", e]) => raw::invoke(&call, e, None, &path).await,
            ("POST", ["endpoints", e, "deployedModels", d]) => {
                raw::invoke(&call, e, Some(d), &path).await
            }
            _ => Err(no_method()),
        };
    }
    route(&call, method, &segments, &target).await
}

async fn route(
    call: &Call,
    method: &str,
    segments: &[&str],
    target: &Target,
) -> Result<Response, ApiError> {
    match segments {
        ["models", ..] if !segments.contains(&"operations") => {
            in_models(call, method, segments, &target.verb)
        }
        ["endpoints", ..] if !segments.contains(&"operations") => {
            in_endpoints(call, method, segments, &target.verb).await
        }
        ["batchPredictionJobs", ..] if !segments.contains(&"operations") => {
            in_jobs(call, method, segments, &target.verb)
        }
        [parent @ .., "operations"] => match (method, target.verb.as_str()) {
            ("GET", "") => operations::list(call, &parent.join("/")),
            _ => Err(no_method()),
        },
        [parent @ .., "operations", id] => {
            let parent = parent.join("/");
            match (method, target.verb.as_str()) {
                ("GET", "") => operations::get(call, &parent, id),
                ("DELETE", "") => operations::delete(call, &parent, id),
                ("POST", "wait") => operations::wait(call, &parent, id).await,
                ("POST", "cancel") => operations::cancel(call, &parent, id),
                _ => Err(no_method()),
            }
        }
        [collection, ..] => {
            Err(unimplemented(&format!("'{collection}' of Vertex AI, or of another service")))
        }
        [] => Err(no_method()),
    }
}

fn in_models(
    call: &Call,
    method: &str,
    segments: &[&str],
    verb: &str,
) -> Result<Response, ApiError> {
    match (method, segments, verb) {
        ("POST", ["models"], "upload") => upload::upload(call),
        ("GET", ["models"], "") => models::list(call),
        ("GET", ["models", m], "") => models::get(call, m),
        ("GET", ["models", m], "listVersions") => models::list_versions(call, m),
        ("PATCH", ["models", m], "") => versions::patch(call, m),
        ("DELETE", ["models", m], "") => models::delete(call, m),
        ("DELETE", ["models", m], "deleteVersion") => models::delete_version(call, m),
        ("POST", ["models", m], "mergeVersionAliases") => versions::merge_aliases(call, m),
        (_, _, "getIamPolicy" | "setIamPolicy" | "testIamPermissions") => {
            Err(unimplemented("access control"))
        }
        (_, ["models"], "copy")
        | (_, ["models", _], "export" | "listCheckpoints" | "updateExplanationDataset")
        | (_, ["models", _, "evaluations", ..], _) => Err(upload::refuse_copy()),
        _ => Err(no_method()),
    }
}

async fn in_endpoints(
    call: &Call,
    method: &str,
    segments: &[&str],
    verb: &str,
) -> Result<Response, ApiError> {
    match (method, segments, verb) {
        ("POST", ["endpoints"], "") => endpoints::create(call),
        ("GET", ["endpoints"], "") => endpoints::list(call),
        ("GET", ["endpoints", e], "") => endpoints::get(call, e),
        ("PATCH", ["endpoints", e], "") => endpoints::patch(call, e),
        ("POST", ["endpoints", e], "update") => endpoints::update(call, e),
        ("DELETE", ["endpoints", e], "") => endpoints::delete(call, e),
        ("POST", ["endpoints", e], "deployModel") => deploy::deploy(call, e),
        ("POST", ["endpoints", e], "undeployModel") => deployed::undeploy(call, e),
        ("POST", ["endpoints", e], "mutateDeployedModel") => deployed::mutate(call, e),
        ("POST", ["endpoints", e], "predict") => predict::predict(call, e).await,
        ("POST", ["endpoints", e], "rawPredict") => raw::predict(call, e).await,
        ("POST", ["endpoints", e], "streamRawPredict") => raw::stream(call, e).await,
        ("POST", ["endpoints", e], "explain") => explain::explain(call, e),
        ("POST", ["endpoints", _], verb) if !verb.is_empty() => {
            Err(unimplemented(&format!("'{verb}' of endpoints")))
        }
        _ => Err(no_method()),
    }
}

fn in_jobs(call: &Call, method: &str, segments: &[&str], verb: &str) -> Result<Response, ApiError> {
    match (method, segments, verb) {
        ("POST", ["batchPredictionJobs"], "") => jobs::create(call),
        ("GET", ["batchPredictionJobs"], "") => jobs::list(call),
        ("GET", ["batchPredictionJobs", j], "") => jobs::get(call, j),
        ("POST", ["batchPredictionJobs", j], "cancel") => jobs::cancel(call, j),
        ("DELETE", ["batchPredictionJobs", j], "") => jobs::delete(call, j),
        _ => Err(no_method()),
    }
}

fn no_method() -> ApiError {
    ApiError::new(404, "NOT_FOUND", "Method not found.")
}
