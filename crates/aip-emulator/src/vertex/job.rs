//! A batch prediction job, as it is kept and shown.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::names::Place;
use crate::api::outcome::UNAVAILABLE;
use crate::api::shown::extend;
use crate::api::stamp::precise_now;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The fields that the client set, without the model
    pub spec: Map<String, Value>,
    pub model: String,
    pub version: u32,
    pub state: State,
    pub create_time: String,
    pub start_time: Option<String>,
    pub end_time: Option<String>,
    pub update_time: String,
    /// `google.rpc.Status`
    pub error: Option<(i32, String)>,
    /// `gs://…` of the directory that was made
    pub output: Option<String>,
    pub stats: Option<Stats>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    #[serde(rename = "JOB_STATE_PENDING")]
    Pending,
    #[serde(rename = "JOB_STATE_RUNNING")]
    Running,
    #[serde(rename = "JOB_STATE_SUCCEEDED")]
    Succeeded,
    #[serde(rename = "JOB_STATE_FAILED")]
    Failed,
    #[serde(rename = "JOB_STATE_CANCELLED")]
    Cancelled,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stats {
    pub successful: u64,
    pub failed: u64,
    /// Not known before the input was read
    pub incomplete: Option<u64>,
}

impl State {
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl Job {
    pub(super) fn new(spec: Map<String, Value>, model: String, version: u32) -> Self {
        let time = precise_now();
        Self {
            spec,
            model,
            version,
            state: State::Pending,
            create_time: time.clone(),
            start_time: None,
            end_time: None,
            update_time: time,
            error: None,
            output: None,
            stats: None,
        }
    }

    pub(super) fn enter(&mut self, state: State) {
        let time = precise_now();
        self.update_time.clone_from(&time);
        self.state = state;
        if state == State::Running {
            self.start_time = Some(time);
        } else if state.is_over() {
            self.end_time = Some(time);
        }
    }

    /// Ends it when the emulator does.
    pub(super) fn interrupt(&mut self, message: &str) {
        if !self.state.is_over() {
            self.enter(State::Failed);
            self.error = Some((UNAVAILABLE, message.to_owned()));
        }
    }

    pub(super) fn show(&self, place: &Place, id: &str) -> Value {
        let mut shown = json!({ "name": place.job(id) });
        extend(&mut shown, &self.spec);
        shown["model"] = place.model(&self.model).into();
        shown["modelVersionId"] = self.version.to_string().into();
        shown["state"] = json!(self.state);
        for (field, time) in [
            ("createTime", Some(&self.create_time)),
            ("startTime", self.start_time.as_ref()),
            ("endTime", self.end_time.as_ref()),
            ("updateTime", Some(&self.update_time)),
        ] {
            if let Some(time) = time {
                shown[field] = time.clone().into();
            }
        }
        if let Some((code, message)) = &self.error {
            shown["error"] = json!({ "code": code, "message": message });
        }
        if let Some(directory) = &self.output {
            shown["outputInfo"] = json!({ "gcsOutputDirectory": directory });
        }
        if let Some(stats) = &self.stats {
            let incomplete = stats.incomplete.map_or("-1".to_owned(), |count| count.to_string());
            shown["completionStats"] = json!({
                "successfulCount": stats.successful.to_string(),
                "failedCount": stats.failed.to_string(),
                "incompleteCount": incomplete,
            });
        }
        shown
    }
}
