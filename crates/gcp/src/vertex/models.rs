//! Models, and the versions that they have.

use serde_json::{Value, json};

use crate::api::Request;

/// A model of this id, with its first version. Answered with an operation, or
/// with 409 where there is one.
pub fn upload_model(location: &str, id: &str, model: &Value) -> Request {
    upload(location, &json!({"model": model, "modelId": id}))
}

/// Another version of `parent`, a model's name. Answered with an operation;
/// sent twice, it makes two versions.
pub fn upload_version(location: &str, parent: &str, model: &Value) -> Request {
    upload(location, &json!({"model": model, "parentModel": parent}))
}

fn upload(location: &str, body: &Value) -> Request {
    Request::new("POST", format!("/v1/{location}/models:upload")).json(body)
}

/// Lists them in `models`, each named `M@N`.
pub fn list_versions(model: &str) -> Request {
    Request::new("GET", format!("/v1/{model}:listVersions"))
}

/// Gives a version, named `M@N`, these aliases besides those that it has, and
/// takes away the ones that start with `-`. Answered with the model at once.
pub fn merge_aliases(version: &str, aliases: &[&str]) -> Request {
    let body = json!({"versionAliases": aliases});
    Request::new("POST", format!("/v1/{version}:mergeVersionAliases")).json(&body)
}

/// Answered with an operation; refused for the only version, and for one that
/// is deployed.
pub fn delete_version(version: &str) -> Request {
    Request::new("DELETE", format!("/v1/{version}:deleteVersion"))
}
