//! A long-running operation: what it is about and how it ended.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::{Catalog, State};
use super::refusal::quota;
use crate::api::outcome::{Outcome, UNAVAILABLE, record};
use crate::api::stamp::{epoch_millis, now};
use crate::error::ApiError;

/// Creates and deletes that a project may have under way.
const MAX_RUNNING: usize = 10;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Operation {
    pub metadata: Value,
    pub outcome: Option<Outcome>,
}

/// What a delete answers when it is done.
pub(super) fn empty() -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.Empty" })
}

/// A resource as the response of an operation.
pub(super) fn with_type(name: &str, resource: Value) -> Value {
    let mut typed = json!({ "@type": format!("type.googleapis.com/google.cloud.ml.v1.{name}") });
    if let (Some(typed), Value::Object(resource)) = (typed.as_object_mut(), resource) {
        typed.extend(resource);
    }
    typed
}

impl Operation {
    pub(super) fn show(&self, name: &str) -> Value {
        record(name, &self.metadata, self.outcome.as_ref())
    }

    /// Ends it, unless a cancel was quicker.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.metadata["endTime"] = now().into();
            self.outcome = Some(outcome);
        }
    }
}

/// What an operation is about.
pub(super) struct Subject<'a> {
    /// `CREATE_VERSION` and so on
    pub kind: &'a str,
    pub project: &'a str,
    pub model: &'a str,
    /// The name and the resource of a version
    pub version: Option<(&'a str, Value)>,
}

impl Subject<'_> {
    /// A new operation, and its id in the service's form.
    fn operation(&self) -> (String, Operation) {
        let mut metadata = json!({
            "@type": "type.googleapis.com/google.cloud.ml.v1.OperationMetadata",
            "createTime": now(),
            "operationType": self.kind,
            "modelName": format!("projects/{}/models/{}", self.project, self.model),
        });
        let verb = self.kind.split('_').next().unwrap_or_default().to_lowercase();
        let mut id = format!("{verb}_{}", self.model);
        if let Some((name, version)) = &self.version {
            id = format!("{id}_{name}");
            if let Some(labels) = version.get("labels") {
                metadata["labels"] = labels.clone();
            }
            metadata["version"] = version.clone();
        }
        (format!("{id}-{}", epoch_millis()), Operation { metadata, outcome: None })
    }
}

impl Catalog {
    /// Enters an operation that is to run, and gives its id.
    pub(super) fn begin(&mut self, subject: &Subject) -> Result<String, ApiError> {
        let operations = self.operations(subject.project);
        if operations.values().filter(|one| one.outcome.is_none()).count() >= MAX_RUNNING {
            let text = format!("At most {MAX_RUNNING} operations may run at once in a project.");
            return Err(quota(&text));
        }
        let (id, operation) = subject.operation();
        operations.insert(id.clone(), operation);
        Ok(id)
    }

    /// Enters an operation that is over already.
    pub(super) fn finished(&mut self, subject: &Subject, response: Value) -> String {
        let (id, mut operation) = subject.operation();
        operation.metadata["startTime"] = now().into();
        operation.finish(Outcome::Response(response));
        self.operations(subject.project).insert(id.clone(), operation);
        id
    }

    /// Ends what was under way when the emulator stopped.
    pub(super) fn close_interrupted(&mut self) {
        let message = "The emulator was stopped while the operation ran.";
        for project in self.projects.values_mut() {
            for operation in project.operations.values_mut() {
                let message = message.to_owned();
                operation.finish(Outcome::Error { code: UNAVAILABLE, message });
            }
            for model in project.models.values_mut() {
                for version in model.versions.values_mut() {
                    match version.state {
                        State::Creating | State::Deleting => {
                            version.state = State::Failed;
                            version.error_message = Some(message.to_owned());
                        }
                        State::Updating => version.state = State::Ready,
                        State::Ready | State::Failed => {}
                    }
                }
            }
        }
    }
}
