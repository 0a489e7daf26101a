//! projects.locations.endpoints.explain: refused, one way or the other.

use axum::response::Response;
use serde_json::Value;

use super::predict::route;
use super::refusal::{invalid, precondition};
use super::router::Call;
use super::schema;
use crate::api::refusal::unimplemented;
use crate::error::ApiError;

/// Explanations are for models that say how they are to be explained; what
/// the service computes then, the emulator does not.
pub(super) fn explain(call: &Call, endpoint: &str) -> Result<Response, ApiError> {
    let request = schema::read("ExplainRequest", &call.body)?;
    if !request.contains_key("instances") {
        return Err(invalid("ExplainRequest.instances is required."));
    }
    let wanted = request.get("deployedModelId").and_then(Value::as_str);
    let route = route(call, endpoint, wanted.filter(|id| !id.is_empty()))?;
    let is_explained = call.vertex().catalog.read(|catalog| {
        let model = catalog.model(&call.place, &route.deployed.model)?;
        let version = model.versions.get(&route.deployed.version);
        let has_spec = version.is_some_and(|version| version.spec.contains_key("explanationSpec"));
        Ok::<_, ApiError>(has_spec || route.deployed.spec.contains_key("explanationSpec"))
    })?;
    if is_explained {
        return Err(unimplemented("Vertex Explainable AI"));
    }
    Err(precondition(&format!(
        "The DeployedModel with ID {} does not support explanations: it must have explanation_spec \
         populated.",
        route.id
    )))
}
