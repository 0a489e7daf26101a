//! What the APIs of AI Platform and Vertex AI have in common: resources by
//! name below `/v1`, lists in pages.

use std::sync::Arc;

use serde_json::Value;

use crate::api::Request;
use crate::{Api, Credentials, Error};

/// An API, as one caller sees one endpoint of it. Resources are passed on as
/// JSON: their fields are the API's, and what it adds is not lost.
#[derive(Debug)]
pub struct Service {
    api: Api,
}

/// What came of a request that may have been done before its answer was lost.
#[derive(Debug)]
pub enum Called<T> {
    Answer(Value),
    Found(T),
}

impl Service {
    pub fn new(root: String, credentials: Arc<Credentials>) -> Result<Self, Error> {
        Ok(Self { api: Api::new(root, credentials)? })
    }

    /// The same caller at another host of the service.
    pub fn at(&self, root: String) -> Result<Self, Error> {
        Ok(Self { api: self.api.at(root)? })
    }

    pub fn api(&self) -> &Api {
        &self.api
    }

    pub fn call(&self, request: &Request) -> Result<Value, Error> {
        self.api.call(request)
    }

    /// For what must not be done twice: where the answer to a request was lost,
    /// `find` is asked, before the next attempt, whether it was done after all.
    pub fn call_unless<T>(
        &self,
        request: &Request,
        find: impl Fn() -> Result<Option<T>, Error>,
    ) -> Result<Called<T>, Error> {
        let mut sent = false;
        self.api.again(|| {
            if std::mem::replace(&mut sent, true)
                && let Some(found) = find()?
            {
                return Ok(Called::Found(found));
            }
            self.api.call_once(request).map(Called::Answer)
        })
    }

    pub fn get(&self, name: &str) -> Result<Value, Error> {
        self.call(&get(name))
    }

    /// All pages of `field` below `parent`.
    pub fn list(&self, parent: &str, field: &'static str) -> Result<Vec<Value>, Error> {
        self.all(Request::new("GET", format!("/v1/{parent}/{field}")), field)
    }

    /// All pages of what a request lists in `field`.
    pub fn all(&self, request: Request, field: &str) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        let mut request = request.query("pageSize", "100");
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

/// `mask` names the fields that are written.
pub fn patch(name: &str, mask: &str, resource: &Value) -> Request {
    Request::new("PATCH", format!("/v1/{name}")).query("updateMask", mask).json(resource)
}
