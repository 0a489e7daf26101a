//! AI Platform Prediction, v1 (ml.googleapis.com).
//!
//! Protocol: the discovery document ml.v1. Resources are passed on as JSON:
//! their fields are the API's, and what it adds is not lost.

mod operation;
mod predict;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::Request;
use crate::{Api, Credentials, Error};

pub use operation::{Outcome, operation_outcome};
pub use predict::REQUEST_LIMIT;

/// AI Platform, as one caller sees one endpoint of it.
#[derive(Debug)]
pub struct Service {
    api: Api,
}

/// `projects/P/models/M`.
pub fn model_name(project: &str, model: &str) -> String {
    format!("projects/{project}/models/{model}")
}

/// `projects/P/models/M/versions/V`.
pub fn version_name(project: &str, model: &str, version: &str) -> String {
    format!("projects/{project}/models/{model}/versions/{version}")
}

impl Service {
    pub fn new(root: String, credentials: Arc<Credentials>) -> Result<Self, Error> {
        Ok(Self { api: Api::new(root, credentials)? })
    }

    pub fn api(&self) -> &Api {
        &self.api
    }

    pub fn call(&self, request: &Request) -> Result<Value, Error> {
        self.api.call(request)
    }

    pub fn get(&self, name: &str) -> Result<Value, Error> {
        self.call(&get(name))
    }

    /// All pages of `field` below `parent`.
    pub fn list(&self, parent: &str, field: &'static str) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        let mut request =
            Request::new("GET", format!("/v1/{parent}/{field}")).query("pageSize", "100");
        loop {
            let mut page = self.call(&request)?;
            if let Some(Value::Array(items)) = page.get_mut(field).map(Value::take) {
                all.extend(items);
            }
            match page["nextPageToken"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => {
                    request.query.retain(|(key, _)| *key != "pageToken");
                    request = request.query("pageToken", token);
                }
                None => return Ok(all),
            }
        }
    }
}

pub fn get(name: &str) -> Request {
    Request::new("GET", format!("/v1/{name}"))
}

pub fn delete(name: &str) -> Request {
    Request::new("DELETE", format!("/v1/{name}"))
}

/// Answered with the model at once.
pub fn create_model(project: &str, model: &Value) -> Request {
    Request::new("POST", format!("/v1/projects/{project}/models")).json(model)
}

/// Answered with an operation. `mask` names the fields that are written.
pub fn patch(name: &str, mask: &str, resource: &Value) -> Request {
    Request::new("PATCH", format!("/v1/{name}")).query("updateMask", mask).json(resource)
}

/// Answered with an operation.
pub fn create_version(model: &str, version: &Value) -> Request {
    Request::new("POST", format!("/v1/{model}/versions")).json(version)
}

/// Answered with the version at once.
pub fn set_default(version: &str) -> Request {
    Request::new("POST", format!("/v1/{version}:setDefault")).json(&json!({}))
}
