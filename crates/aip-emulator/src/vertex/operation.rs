//! A long-running operation: what it is about and how it ended.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::Catalog;
use super::names::Place;
use crate::api::outcome::{Outcome, record};
use crate::api::stamp::{epoch_millis, precise_now};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Operation {
    /// The resource that it belongs to, below its place: `endpoints/iris`
    pub target: String,
    pub metadata: Value,
    pub outcome: Option<Outcome>,
}

/// What a delete answers when it is done.
pub(super) fn empty() -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.Empty" })
}

/// A message as the response or the metadata of an operation.
pub(super) fn with_type(name: &str, message: Value) -> Value {
    let kind = format!("type.googleapis.com/google.cloud.aiplatform.v1.{name}");
    let mut typed = json!({ "@type": kind });
    if let (Some(typed), Value::Object(message)) = (typed.as_object_mut(), message) {
        typed.extend(message);
    }
    typed
}

/// A number as long as Google's.
pub(super) fn new_id() -> String {
    (epoch_millis() * 1_000_000).to_string()
}

impl Operation {
    pub(super) fn show(&self, place: &Place, id: &str) -> Value {
        let slash = if self.target.is_empty() { "" } else { "/" };
        let name = format!("{place}/{}{slash}operations/{id}", self.target);
        record(&name, &self.metadata, self.outcome.as_ref())
    }

    /// Ends it, unless a cancel was quicker.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.metadata["genericMetadata"]["updateTime"] = precise_now().into();
            self.outcome = Some(outcome);
        }
    }
}

impl Catalog {
    /// Enters an operation with metadata of this type, and gives its id.
    pub(super) fn begin(&mut self, place: &Place, target: &str, metadata: &str) -> String {
        let id = new_id();
        let time = precise_now();
        let generic = json!({ "genericMetadata": { "createTime": time, "updateTime": time } });
        let metadata = with_type(metadata, generic);
        let operation = Operation { target: target.to_owned(), metadata, outcome: None };
        self.at_mut(place).operations.insert(id.clone(), operation);
        id
    }
}
