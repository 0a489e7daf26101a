//! The job at the service: begin it, find it again, wait for it.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aip::Waiting;
use aip::vertex::Place;
use deployment::{Deployment, Spec};
use gcp::vertex::batch::{Job, JobState, create_job, find_jobs, job_state};
use gcp::{Called, Outcome};
use log::info;
use serde_json::{Value, json};
use stage::{Failure, Output, Process};

use super::Args;

const MACHINE_TYPE: &str = "n1-standard-2";
/// Between two words about a job whose state stays the same.
const QUIET: Duration = Duration::from_secs(60);

/// The API's `BatchPredictionJob`.
pub(super) fn resource(
    place: &Place,
    version: Option<&str>,
    document: &Deployment,
    args: &Args,
) -> Value {
    let model = version.map_or_else(|| place.model_name(), |version| place.version_name(version));
    let served_by = document.spec.vertex.deployed_model.get("dedicatedResources");
    let served_by = served_by.and_then(|spec| spec["machineSpec"]["machineType"].as_str());
    let display_name = args.display_name.clone().unwrap_or_else(|| display_name(place, version));
    let format = args.format.clone().unwrap_or_else(|| format_of(&args.inputs));
    let parameters = args.parameters.clone().map(Value::Object);
    let mut fields = deployment::Extra::new();
    let labels = args.labels.iter().map(|(key, value)| (key.clone(), json!(value)));
    fields.insert("labels".into(), Value::Object(labels.collect()));
    aip::merge(&mut fields, aip::lineage(document));
    let labels = fields.remove("labels").and_then(|labels| labels.as_object().cloned());
    let output = args.output.as_deref().unwrap_or_default();
    let job = Job {
        display_name: &display_name,
        model: &model,
        input: &args.inputs,
        input_format: &format,
        output,
        output_format: &args.output_format,
        machine_type: args.machine_type.as_deref().or(served_by).unwrap_or(MACHINE_TYPE),
        starting_replicas: args.min_replicas,
        max_replicas: args.max_replicas,
        batch_size: args.batch_size,
        parameters: parameters.as_ref(),
        service_account: args.service_account.as_deref(),
        labels: labels.unwrap_or_default(),
    };
    job.resource()
}

/// Unlike that of any other run, so that the job can be found by it.
fn display_name(place: &Place, version: Option<&str>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{}-{}-{now}", place.model_id, version.unwrap_or("default"))
}

fn format_of(inputs: &[String]) -> String {
    let name = inputs.first().map_or("", String::as_str).to_ascii_lowercase();
    let by_end = [
        (".csv", "csv"),
        (".tfrecord", "tf-record"),
        (".tfrecord.gz", "tf-record-gzip"),
        (".txt", "file-list"),
    ];
    let known = by_end.iter().find(|(end, _)| name.ends_with(end));
    known.map_or("jsonl", |(_, format)| format).to_owned()
}

pub(super) fn dry(process: &Process, place: &Place, job: &Value) -> Output {
    let request = create_job(&place.location_name(), job);
    let shown = place.service.api().describe(&request);
    process.would(&shown);
    Output::Json(json!({"dryRun": true, "requests": [shown]}))
}

/// Begins it and gives its name. Where the answer was lost, it is looked for
/// by its display name before another is begun.
pub(super) fn create(process: &Process, place: &Place, job: &Value) -> Result<String, Failure> {
    let location = place.location_name();
    let display_name = job["displayName"].as_str().unwrap_or_default();
    let look =
        format!("look whether '{display_name}' was begun: gcloud ai batch-prediction-jobs list");
    let interrupted = "interrupted while beginning a batch prediction";
    let _interrupt = process.on_interrupt(interrupted, look)?;
    let find = || {
        let jobs = place.service.all(find_jobs(&location, display_name), "batchPredictionJobs")?;
        Ok(jobs.into_iter().next())
    };
    let request = create_job(&location, job);
    let called = place.service.call_unless(&request, find).map_err(|error| {
        let status = error.status();
        let model = job["model"].as_str().unwrap_or_default();
        let failure = Failure::from(error)
            .context(format!("cannot begin a batch prediction with model '{model}'"));
        match status {
            Some(403) => failure.hint("the caller needs aiplatform.batchPredictionJobs.create"),
            Some(404) => failure.hint("see what is there: aip-version list"),
            _ => failure,
        }
    })?;
    let (Called::Answer(begun) | Called::Found(begun)) = called;
    let Some(name) = begun["name"].as_str().map(str::to_owned) else {
        return Err(Failure::failed("the service began a batch prediction without a name"));
    };
    info!("batch prediction '{name}' is begun");
    Ok(name)
}

/// A job's full name says where it is; flags say it louder.
pub(super) fn settle_on(name: &str, spec: &mut Spec) {
    let parts: Vec<_> = name.split('/').collect();
    if let ["projects", project, "locations", location, "batchPredictionJobs", _] = parts[..] {
        spec.project.get_or_insert_with(|| project.to_owned());
        spec.region.get_or_insert_with(|| location.to_owned());
    }
}

pub(super) fn full_name(place: &Place, name: &str) -> String {
    if name.contains('/') {
        return name.to_owned();
    }
    format!("{}/batchPredictionJobs/{name}", place.location_name())
}

pub(super) fn lost(error: gcp::Error, name: &str) -> Failure {
    let status = error.status();
    let failure = Failure::from(error).context(format!("cannot look at batch prediction '{name}'"));
    match status {
        Some(404) => failure.hint("see what is there: gcloud ai batch-prediction-jobs list"),
        _ => failure,
    }
}

/// Waits until it has ended well, and gives it as it is then.
pub(super) fn wait(
    process: &Process,
    place: &Place,
    name: &str,
    resume: String,
    timeout: Duration,
) -> Result<Value, Failure> {
    let doing = format!("end batch prediction '{name}'");
    let waiting = Waiting { doing: doing.clone(), resume, timeout };
    let last = Cell::new(None::<Instant>);
    let state = Cell::new(String::new());
    aip::wait(process, &waiting, |progress| {
        let job = place.service.get(name)?;
        let now = job["state"].as_str().unwrap_or_default().to_owned();
        let old = state.replace(now.clone());
        let silent = last.get().is_none_or(|last| last.elapsed() > QUIET);
        Ok(match job_state(&job) {
            JobState::Running => {
                progress.say(format!("{doing}: {}", counts(&job).trim_start_matches(": ")));
                if old != now || silent {
                    last.set(Some(Instant::now()));
                    info!("{}{}", word(&now), counts(&job));
                }
                Outcome::Running
            }
            JobState::Succeeded | JobState::PartiallySucceeded => Outcome::Done(job),
            JobState::Ended => Outcome::Failed(reason(&job)),
        })
    })
}

/// `JOB_STATE_RUNNING` in a sentence.
fn word(state: &str) -> String {
    let word = state.trim_start_matches("JOB_STATE_").replace('_', " ").to_lowercase();
    format!("the job is {}", if word.is_empty() { "on its way" } else { &word })
}

fn counts(job: &Value) -> String {
    let stats = &job["completionStats"];
    match (stats["successfulCount"].as_str(), stats["failedCount"].as_str()) {
        (None, None) => String::new(),
        (done, failed) => {
            format!(": {} predicted, {} failed", done.unwrap_or("0"), failed.unwrap_or("0"))
        }
    }
}

/// The service's own text, and the first of what failed in part.
fn reason(job: &Value) -> String {
    let text = job["error"]["message"].as_str().filter(|text| !text.is_empty());
    let state = job["state"].as_str().unwrap_or_default();
    let text = text.map_or_else(|| word(state), str::to_owned);
    match job["partialFailures"][0]["message"].as_str() {
        Some(partial) if !text.contains(partial) => format!("{text} ({partial})"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jobs_full_name_says_where_it_is() {
        let mut spec = Spec { region: Some("europe-west1".into()), ..Spec::default() };
        settle_on("projects/acme/locations/us-central1/batchPredictionJobs/7", &mut spec);
        assert_eq!(spec.project.as_deref(), Some("acme"));
        assert_eq!(spec.region.as_deref(), Some("europe-west1"));
        settle_on("7", &mut spec);
        assert_eq!(spec.project.as_deref(), Some("acme"));
    }

    #[test]
    fn the_format_is_in_the_name() {
        let format = |name: &str| format_of(&[name.to_owned()]);
        assert_eq!(format("gs://b/a.CSV"), "csv");
        assert_eq!(format("gs://b/a.tfrecord.gz"), "tf-record-gzip");
        assert_eq!(format("gs://b/a.jsonl"), "jsonl");
        assert_eq!(format("gs://b/*"), "jsonl");
    }

    #[test]
    fn a_job_says_how_far_it_is_and_why_it_failed() {
        let job = json!({"completionStats": {"successfulCount": "12", "incompleteCount": "-1"}});
        assert_eq!(counts(&job), ": 12 predicted, 0 failed");
        assert_eq!(word("JOB_STATE_RUNNING") + &counts(&json!({})), "the job is running");
        let job = json!({"state": "JOB_STATE_FAILED", "error": {"code": 3, "message": "no file"},
            "partialFailures": [{"message": "gs://b/x is not there"}]});
        assert_eq!(reason(&job), "no file (gs://b/x is not there)");
        assert_eq!(reason(&json!({"state": "JOB_STATE_CANCELLED"})), "the job is cancelled");
    }
}
