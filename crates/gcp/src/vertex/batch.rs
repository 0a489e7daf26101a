//! Batch prediction jobs.

use deployment::Extra;
use serde_json::{Value, json};

use crate::api::Request;

/// Answered with the job at once, its name made by the service: sent twice, it
/// makes two.
pub fn create_job(location: &str, job: &Value) -> Request {
    Request::new("POST", format!("/v1/{location}/batchPredictionJobs")).json(job)
}

/// Lists the jobs of this display name in `batchPredictionJobs`.
pub fn find_jobs(location: &str, display_name: &str) -> Request {
    let filter = format!("display_name=\"{display_name}\"");
    Request::new("GET", format!("/v1/{location}/batchPredictionJobs")).query("filter", filter)
}

/// What a batch prediction is about.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    pub display_name: &'a str,
    /// `projects/P/locations/L/models/M@V`.
    pub model: &'a str,
    /// `gs://…`, one or more; wildcards are allowed.
    pub input: &'a [String],
    pub input_format: &'a str,
    /// `gs://…`: a directory is made below it.
    pub output: &'a str,
    pub output_format: &'a str,
    pub machine_type: &'a str,
    pub starting_replicas: Option<u32>,
    pub max_replicas: Option<u32>,
    pub batch_size: Option<u32>,
    pub parameters: Option<&'a Value>,
    pub service_account: Option<&'a str>,
    pub labels: Extra,
}

impl Job<'_> {
    /// The API's `BatchPredictionJob`.
    pub fn resource(&self) -> Value {
        let mut resources = json!({"machineSpec": {"machineType": self.machine_type}});
        let mut put = |key: &str, value: Option<u32>| {
            if let Some(value) = value {
                resources[key] = json!(value);
            }
        };
        put("startingReplicaCount", self.starting_replicas);
        put("maxReplicaCount", self.max_replicas);
        let mut job = json!({
            "displayName": self.display_name,
            "model": self.model,
            "inputConfig": {
                "instancesFormat": self.input_format,
                "gcsSource": {"uris": self.input},
            },
            "outputConfig": {
                "predictionsFormat": self.output_format,
                "gcsDestination": {"outputUriPrefix": self.output},
            },
            "dedicatedResources": resources,
        });
        if let Some(size) = self.batch_size {
            job["manualBatchTuningParameters"] = json!({"batchSize": size});
        }
        if let Some(parameters) = self.parameters {
            job["modelParameters"] = parameters.clone();
        }
        if let Some(account) = self.service_account {
            job["serviceAccount"] = json!(account);
        }
        if !self.labels.is_empty() {
            job["labels"] = Value::Object(self.labels.clone());
        }
        job
    }
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    Running,
    Succeeded,
    /// Some instances have no prediction; the errors file says why.
    PartiallySucceeded,
    Ended,
}

/// By a job's record.
pub fn job_state(job: &Value) -> JobState {
    match job["state"].as_str().unwrap_or_default() {
        "JOB_STATE_SUCCEEDED" => JobState::Succeeded,
        "JOB_STATE_PARTIALLY_SUCCEEDED" => JobState::PartiallySucceeded,
        "JOB_STATE_FAILED" | "JOB_STATE_CANCELLED" | "JOB_STATE_EXPIRED" => JobState::Ended,
        _ => JobState::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_says_no_more_than_it_was_told() {
        let input = ["gs://b/in.jsonl".to_owned()];
        let mut job = Job {
            display_name: "j",
            model: "projects/p/locations/l/models/m@v1",
            input: &input,
            input_format: "jsonl",
            output: "gs://b/out",
            output_format: "jsonl",
            machine_type: "n1-standard-2",
            starting_replicas: None,
            max_replicas: None,
            batch_size: None,
            parameters: None,
            service_account: None,
            labels: Extra::new(),
        };
        assert_eq!(
            job.resource(),
            json!({"displayName": "j", "model": "projects/p/locations/l/models/m@v1",
                "inputConfig": {"instancesFormat": "jsonl",
                    "gcsSource": {"uris": ["gs://b/in.jsonl"]}},
                "outputConfig": {"predictionsFormat": "jsonl",
                    "gcsDestination": {"outputUriPrefix": "gs://b/out"}},
                "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}}})
        );
        job.max_replicas = Some(4);
        job.batch_size = Some(8);
        let resource = job.resource();
        assert_eq!(resource["dedicatedResources"]["maxReplicaCount"], 4);
        assert_eq!(resource["manualBatchTuningParameters"], json!({"batchSize": 8}));
    }

    #[test]
    fn a_job_runs_until_its_state_says_otherwise() {
        let state = |state: &str| job_state(&json!({"state": state}));
        for running in ["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING", ""] {
            assert_eq!(state(running), JobState::Running, "{running}");
        }
        assert_eq!(state("JOB_STATE_SUCCEEDED"), JobState::Succeeded);
        assert_eq!(state("JOB_STATE_PARTIALLY_SUCCEEDED"), JobState::PartiallySucceeded);
        assert_eq!(state("JOB_STATE_CANCELLED"), JobState::Ended);
    }
}
