//! Builds, as the API shows them and as they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::path::operation_name;
use crate::api::project::number;
use crate::api::stamp::now;

/// All builds by id.
pub(super) type Catalog = BTreeMap<String, Record>;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) project: String,
    pub(super) location: String,
    /// In the order of their coming
    pub(super) serial: u64,
    pub(super) build: Map<String, Value>,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Success { images: Vec<(String, String)> },
    Failure { kind: &'static str, detail: String },
    Timeout,
    Cancelled,
}

/// `google.rpc.Code`, as operations carry it
const CANCELLED: i32 = 1;
const UNKNOWN: i32 = 2;
const DEADLINE_EXCEEDED: i32 = 4;

const PACKAGE: &str = "type.googleapis.com/google.devtools.cloudbuild.v1";

impl Record {
    pub(super) fn new(project: &str, location: &str, id: &str, build: Map<String, Value>) -> Self {
        let mut record = Self {
            project: project.to_owned(),
            location: location.to_owned(),
            serial: crate::api::stamp::epoch_millis(),
            build,
        };
        let number = number(project);
        let console = "https://console.cloud.google.com/cloud-build/builds";
        for (field, value) in [
            ("id", id.to_owned()),
            ("name", format!("projects/{number}/locations/{location}/builds/{id}")),
            ("projectId", project.to_owned()),
            ("status", "QUEUED".to_owned()),
            ("createTime", now()),
            ("logUrl", format!("{console};region={location}/{id}?project={number}")),
        ] {
            record.build.insert(field.to_owned(), value.into());
        }
        record.build.entry("timeout").or_insert_with(|| "600s".into());
        record.build.entry("queueTtl").or_insert_with(|| "3600s".into());
        record
    }

    pub(super) fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.build.insert(field.to_owned(), value.into());
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.build.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn is_done(&self) -> bool {
        !matches!(self.text("status"), "QUEUED" | "WORKING")
    }

    /// Ends it, unless it has ended already.
    pub(super) fn finish(&mut self, end: End) {
        if self.is_done() {
            return;
        }
        self.set("finishTime", now());
        match end {
            End::Success { images } => {
                self.set("status", "SUCCESS");
                let images: Vec<Value> = images
                    .into_iter()
                    .map(|(name, digest)| json!({ "name": name, "digest": digest }))
                    .collect();
                self.set("results", json!({ "images": images }));
            }
            End::Failure { kind, detail } => {
                self.set("status", "FAILURE");
                self.set("statusDetail", detail.clone());
                self.set("failureInfo", json!({ "type": kind, "detail": detail }));
            }
            End::Timeout => {
                self.set("status", "TIMEOUT");
                self.set("statusDetail", "build exceeded its timeout");
            }
            End::Cancelled => self.set("status", "CANCELLED"),
        }
    }

    pub(super) fn operation(&self) -> Value {
        let build = Value::from(self.build.clone());
        let mut operation = json!({
            "name": operation_name(&self.project, &self.location, self.text("id")),
            "metadata": { "@type": format!("{PACKAGE}.BuildOperationMetadata"), "build": build },
        });
        if !self.is_done() {
            return operation;
        }
        operation["done"] = true.into();
        let (code, message) = match self.text("status") {
            "SUCCESS" => {
                let mut response = json!({ "@type": format!("{PACKAGE}.Build") });
                if let Some(response) = response.as_object_mut() {
                    response.extend(self.build.clone());
                }
                operation["response"] = response;
                return operation;
            }
            "TIMEOUT" => (DEADLINE_EXCEEDED, "Build timed out".to_owned()),
            "CANCELLED" => (CANCELLED, "Build cancelled".to_owned()),
            _ => (UNKNOWN, format!("Build failed: {}", self.text("statusDetail"))),
        };
        operation["error"] = json!({ "code": code, "message": message });
        operation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(end: End) -> Value {
        let mut record = Record::new("p", "global", "id", Map::new());
        assert_eq!(record.operation().get("done"), None);
        record.finish(end);
        record.finish(End::Cancelled);
        record.operation()
    }

    #[test]
    fn how_operations_end() {
        let images = vec![("h/i:v1".to_owned(), "sha256:0".to_owned())];
        let done = ended(End::Success { images });
        assert_eq!(done["response"]["results"]["images"][0]["digest"], "sha256:0");
        assert_eq!(done["metadata"]["build"]["status"], "SUCCESS");
        let failed = ended(End::Failure { kind: "USER_BUILD_STEP", detail: "no".to_owned() });
        assert_eq!(failed["error"]["message"], "Build failed: no");
        assert_eq!(failed["metadata"]["build"]["failureInfo"]["type"], "USER_BUILD_STEP");
        assert_eq!(ended(End::Timeout)["error"]["code"], 4);
        assert_eq!(ended(End::Cancelled)["error"]["code"], 1);
    }
}
