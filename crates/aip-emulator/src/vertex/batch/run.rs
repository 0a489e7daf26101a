//! A job on its way.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::super::container_spec::{text, texts};
use super::super::http::Failed;
use super::super::job::{Job, State, Stats};
use super::super::names::Place;
use super::super::plan::{Plan, Tenant};
use super::super::refusal::no_model;
use super::super::server::Server;
use super::input::{self, Record};
use super::instance::{Instance, Transform};
use super::output::Output;
use crate::api::outcome::FAILED_PRECONDITION;
use crate::error::ApiError;
use crate::say::say;
use crate::state::App;

const DEFAULT_BATCH: u64 = 64;

/// So often a batch is sent before its instances are given up.
const ATTEMPTS: u32 = 3;

/// How long one batch may take.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// No answer of a model is longer.
const MAX_ANSWER: usize = 1 << 30;

/// The deployed model of a job's own endpoint.
const DEPLOYED_MODEL: &str = "1";

pub(in super::super) struct Work {
    pub(in super::super) app: App,
    pub(in super::super) place: Place,
    pub(in super::super) id: String,
    pub(in super::super) model: String,
    pub(in super::super) version: u32,
}

impl Work {
    pub(in super::super) async fn run(self) {
        let outcome = match self.plan() {
            Ok((plan, spec)) => self.predict(plan, &spec).await,
            Err(err) => Err(err.message().to_owned()),
        };
        if let Err(text) = &outcome {
            say(&format!("{}: {text}", self.id));
        }
        self.update(|job| match outcome {
            Ok(()) => job.enter(State::Succeeded),
            Err(text) => {
                job.enter(State::Failed);
                job.error = Some((FAILED_PRECONDITION, text));
            }
        });
    }

    fn update(&self, change: impl FnOnce(&mut Job)) {
        let done = self.app.vertex.0.catalog.change(|catalog| {
            change(catalog.job_mut(&self.place, &self.id)?);
            Ok(())
        });
        if let Err(err) = done {
            say(&format!("{}: {}", self.id, err.message()));
        }
    }

    fn plan(&self) -> Result<(Plan, Map<String, Value>), ApiError> {
        self.app.vertex.0.catalog.read(|catalog| {
            let spec = catalog.job(&self.place, &self.id)?.spec.clone();
            let model = catalog.model(&self.place, &self.model)?;
            let version = model.versions.get(&self.version);
            let version = version.ok_or_else(|| no_model(&self.place.model(&self.model)))?;
            let tenant = Tenant {
                place: self.place.clone(),
                project_id: catalog.project_id(&self.place.number).to_owned(),
                endpoint: self.id.clone(),
                deployed_model: DEPLOYED_MODEL.to_owned(),
                model: self.model.clone(),
                model_display_name: version.text("displayName").to_owned(),
                version: self.version,
            };
            let plan = Plan::new(tenant, version, &spec["dedicatedResources"]["machineSpec"]);
            Ok((plan, spec))
        })
    }

    async fn predict(&self, plan: Plan, spec: &Map<String, Value>) -> Result<(), String> {
        self.update(|job| job.enter(State::Running));
        let display_name = plan.tenant.model_display_name.clone();
        let vertex = &self.app.vertex;
        let server = Server::start(vertex.host(&self.app), plan, |_| {}).await;
        let server = server.map_err(|failed| failed.to_string())?;
        let done = self.feed(&server, spec, &display_name).await;
        server.stop().await;
        done
    }

    async fn feed(
        &self,
        server: &Server,
        spec: &Map<String, Value>,
        model: &str,
    ) -> Result<(), String> {
        let empty = Value::Null;
        let get = |field: &str| spec.get(field).unwrap_or(&empty);
        let size = get("manualBatchTuningParameters")["batchSize"].as_u64();
        let size = size.filter(|size| *size > 0).unwrap_or(DEFAULT_BATCH);
        let transform = Transform::new(get("instanceConfig"));
        let prefix = text(&get("outputConfig")["gcsDestination"], "outputUriPrefix");
        let time = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
        let output = Output::create(&self.app.storage, prefix, model, &time);
        let mut output = output.map_err(|err| err.message().to_owned())?;
        self.update(|job| job.output = Some(output.uri()));
        let mut records = self.read(get("inputConfig"));
        let mut stats = Stats::default();
        let mut batch = Vec::new();
        while let Some(record) = records.recv().await {
            batch.push(transform.apply(record?)?);
            if batch.len() as u64 >= size {
                let full = std::mem::take(&mut batch);
                self.send(server, full, get("modelParameters"), &mut output, &mut stats).await?;
            }
        }
        if !batch.is_empty() {
            self.send(server, batch, get("modelParameters"), &mut output, &mut stats).await?;
        }
        output.finish().map_err(|err| err.message().to_owned())?;
        stats.incomplete = Some(0);
        self.update(|job| job.stats = Some(stats));
        if stats.successful == 0 && stats.failed > 0 {
            return Err(format!("All {} instances failed.", stats.failed));
        }
        Ok(())
    }

    /// The input, read beside and not far ahead.
    fn read(&self, config: &Value) -> mpsc::Receiver<Result<Record, String>> {
        let (sender, receiver) = mpsc::channel(1024);
        let store = self.app.storage.clone();
        let uris = texts(&config["gcsSource"], "uris");
        let format = text(config, "instancesFormat").to_owned();
        tokio::task::spawn_blocking(move || {
            let take = |record| {
                sender.blocking_send(Ok(record)).map_err(|_| "The job is over.".to_owned())
            };
            if let Err(text) = input::read(&store, &uris, &format, &mut { take }) {
                let _ = sender.blocking_send(Err(text));
            }
        });
        receiver
    }

    async fn send(
        &self,
        server: &Server,
        batch: Vec<Instance>,
        parameters: &Value,
        output: &mut Output,
        stats: &mut Stats,
    ) -> Result<(), String> {
        let instances: Vec<&Value> = batch.iter().map(|instance| &instance.sent).collect();
        let mut body = json!({ "instances": instances });
        if !parameters.is_null() {
            body["parameters"] = parameters.clone();
        }
        let count = batch.len() as u64;
        let written = match self.ask(server, body.to_string().into(), batch.len()).await {
            Ok(predictions) => {
                stats.successful += count;
                let mut pairs = batch.into_iter().zip(predictions);
                pairs.try_for_each(|(instance, value)| output.predicted(instance, value))
            }
            Err(text) => {
                stats.failed += count;
                output.failed(text, count);
                Ok(())
            }
        };
        let stats = *stats;
        self.update(|job| job.stats = Some(stats));
        written.map_err(|err: ApiError| err.message().to_owned())
    }

    /// Asks until there is an answer, in the words of the service if there is
    /// none.
    async fn ask(&self, server: &Server, body: Bytes, count: usize) -> Result<Vec<Value>, String> {
        let start = Instant::now();
        let mut last = String::new();
        for attempt in 1..=ATTEMPTS {
            match self.ask_once(server, body.clone()).await {
                Ok((StatusCode::OK, answer)) => return read_predictions(&answer, count),
                Ok((status, answer)) => {
                    let text = String::from_utf8_lossy(&answer);
                    last = format!("Non-OK result {} ({text}) from server", status.as_u16());
                    if status.is_client_error() {
                        return Err(format!(
                            "Post request fails. Cannot get predictions. Error: {last}."
                        ));
                    }
                }
                Err(text) => last = text,
            }
            sleep(Duration::from_millis(200) * attempt).await;
        }
        Err(format!(
            "Post request fails. Cannot get predictions. Error: Exceeded retries: {last}, \
             retry={ATTEMPTS}, elapsed={:.2}s.",
            start.elapsed().as_secs_f64()
        ))
    }

    async fn ask_once(&self, server: &Server, body: Bytes) -> Result<(StatusCode, Bytes), String> {
        let unwell = "model server is not healthy";
        let url = server.url().ok_or(unwell)?;
        let request = Request::post(format!("{url}{}", server.plan().predict_route))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|err| err.to_string())?;
        let sent = self.app.vertex.0.http.send(request, PATIENCE, MAX_ANSWER).await;
        let answer = sent.map_err(|failed| match failed {
            Failed::TimedOut => "upstream request timeout",
            Failed::TooLarge => "response too large",
            Failed::Refused | Failed::Broken => unwell,
        })?;
        Ok((answer.status(), answer.into_body()))
    }
}

fn read_predictions(body: &[u8], count: usize) -> Result<Vec<Value>, String> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match answer.get("predictions") {
        Some(Value::Array(predictions)) if predictions.len() == count => Ok(predictions.clone()),
        Some(Value::Array(predictions)) => Err(format!(
            "The model server returned {} predictions for {count} instances.",
            predictions.len()
        )),
        _ => Err(format!(
            "Invalid response from prediction server - the response field predictions is missing. \
             Response: {}",
            String::from_utf8_lossy(body)
        )),
    }
}
