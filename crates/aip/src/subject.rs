//! What a verb that asks is about.

use deployment::Deployment;
use gcp::Request;
use serde_json::{Value, json};
use stage::{Failure, Output, Process};

use crate::{Names, Options, Place};

/// The document that the names come from, and the place they name.
pub struct Subject<'a> {
    pub process: &'a Process,
    pub document: Deployment,
    pub place: Place,
}

impl<'a> Subject<'a> {
    /// A model.
    pub fn model(process: &'a Process, options: &Options, names: &Names) -> Result<Self, Failure> {
        let mut document = names.read(process)?;
        let place = options.place(&mut document.spec)?;
        Ok(Self { process, document, place })
    }

    /// No model: all of them.
    pub fn service(
        process: &'a Process,
        options: &Options,
        names: &Names,
    ) -> Result<Self, Failure> {
        let mut document = names.read(process)?;
        let place = options.service(&mut document.spec)?;
        Ok(Self { process, document, place })
    }

    /// In a dry run, what it says instead of sending these.
    pub fn dry(&self, requests: &[Request]) -> Option<Output> {
        if !self.document.spec.dry_run {
            return None;
        }
        Some(Output::Json(json!({"dryRun": true, "requests": self.would(requests)})))
    }

    /// Says what a dry run would send, and gives it.
    pub fn would(&self, requests: &[Request]) -> Vec<String> {
        let api = self.place.service().api();
        let shown: Vec<_> = requests.iter().map(|request| api.describe(request)).collect();
        for request in &shown {
            self.process.would(request);
        }
        shown
    }

    /// A resource; `what` it is, for messages.
    pub fn get(&self, name: &str, what: &str) -> Result<Output, Failure> {
        let request = gcp::get(name);
        if let Some(dry) = self.dry(std::slice::from_ref(&request)) {
            return Ok(dry);
        }
        let found = self.place.service().call(&request);
        let found =
            found.map_err(|error| Failure::from(error).context(format!("cannot get {what}")))?;
        Ok(Output::Json(found))
    }

    /// All pages of `field`.
    pub fn list(&self, request: Request, field: &str, what: &str) -> Result<Output, Failure> {
        if let Some(dry) = self.dry(std::slice::from_ref(&request)) {
            return Ok(dry);
        }
        let items = self.place.service().all(request, field);
        let items =
            items.map_err(|error| Failure::from(error).context(format!("cannot list {what}")))?;
        Ok(Output::Json([(field.to_owned(), Value::Array(items))].into_iter().collect()))
    }
}
