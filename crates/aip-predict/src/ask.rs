//! Requests out, predictions in, in order.

use std::io::Write;

use gcp::Request;
use gcp::{Service, ml};
use serde_json::json;
use serde_json::value::RawValue;
use stage::{Failure, Output, Process};

use crate::format::OutputFormat;
use crate::instances::Instances;
use crate::request::{Chunk, Template};

pub(crate) struct Asking<'a> {
    pub(crate) service: &'a Service,
    /// The model or the version.
    pub(crate) name: &'a str,
    pub(crate) jobs: usize,
    pub(crate) dry: bool,
    pub(crate) process: &'a Process,
}

impl Asking<'_> {
    /// A few requests at a time, then their answers in order, then the next
    /// few: what is held at once is bounded, whatever the length of the input.
    pub(crate) fn ask(
        &self,
        template: &Template,
        instances: Instances,
        output: OutputFormat,
    ) -> Result<Output, Failure> {
        let mut answer = Answer::new(output);
        let mut chunks = template.chunks(instances.each, instances.beside);
        loop {
            let few: Vec<_> = chunks.by_ref().take(self.jobs).collect::<Result<_, _>>()?;
            if few.is_empty() {
                return Ok(if self.dry {
                    Output::Json(json!({"dryRun": true}))
                } else {
                    answer.finish()
                });
            }
            if self.dry {
                for chunk in &few {
                    self.show(chunk);
                }
                continue;
            }
            for predictions in transport::for_each(few, self.jobs, |chunk| self.once(chunk))? {
                answer.add(predictions)?;
            }
        }
    }

    fn show(&self, chunk: &Chunk) {
        let request = Request::new("POST", format!("/v1/{}:predict", self.name));
        let shown = self.service.api().describe(&request);
        let (count, bytes) = (chunk.count, chunk.body.len());
        self.process.would(&format!("{shown} ({count} instances, {bytes} bytes)"));
    }

    fn once(&self, chunk: Chunk) -> Result<Predictions, Failure> {
        let Chunk { body, first, count } = chunk;
        let which = match count {
            0 | 1 => format!("instance {}", first + 1),
            _ => format!("instances {} to {}", first + 1, first + count),
        };
        let context = format!("cannot get predictions from '{}' for {which}", self.name);
        let predictions = match ml::predict(self.service, self.name, body) {
            Ok(Ok(predictions)) => predictions,
            Ok(Err(text)) => {
                return Err(Failure::failed(context)
                    .because(text)
                    .hint("the predictor could not handle them; compare them with the model's signature and input example"));
            }
            Err(error) => {
                let status = error.status();
                let failure = Failure::from(error).context(context);
                return Err(match status {
                    Some(404) => failure.hint("see what is there: aip-version list"),
                    Some(403) => failure.hint("the caller needs ml.versions.predict"),
                    _ => failure,
                });
            }
        };
        match serde_json::from_str::<Vec<Box<RawValue>>>(predictions.get()) {
            Ok(list) if list.len() == count => Ok(Predictions::Each(list)),
            _ => Ok(Predictions::Whole(predictions)),
        }
    }
}

/// What a predictor gives is its own choice: a prediction for each instance can
/// be joined with those of another request, anything else cannot.
enum Predictions {
    Each(Vec<Box<RawValue>>),
    Whole(Box<RawValue>),
}

/// What goes to stdout: at once where lines are asked for, at the end where one
/// object is, so that a failure leaves nothing half said.
struct Answer {
    output: OutputFormat,
    /// The predictions so far, joined by commas.
    joined: String,
    /// The only answer there can be.
    whole: Option<Box<RawValue>>,
    count: usize,
}

impl Answer {
    fn new(output: OutputFormat) -> Self {
        Self { output, joined: String::new(), whole: None, count: 0 }
    }

    fn add(&mut self, predictions: Predictions) -> Result<(), Failure> {
        self.count += 1;
        let list = match predictions {
            Predictions::Each(list) if self.whole.is_none() => list,
            Predictions::Whole(whole) if self.count == 1 => {
                self.whole = Some(whole.clone());
                vec![whole]
            }
            _ => {
                return Err(Failure::failed("cannot join the answers of several requests")
                    .because("the predictor does not give one prediction for each instance")
                    .hint("send fewer instances at a time"));
            }
        };
        match self.output {
            OutputFormat::Jsonl => print(&list),
            OutputFormat::Json => {
                for prediction in list {
                    if !self.joined.is_empty() {
                        self.joined.push(',');
                    }
                    self.joined.push_str(prediction.get());
                }
                Ok(())
            }
        }
    }

    fn finish(self) -> Output {
        match (self.output, self.whole) {
            (OutputFormat::Jsonl, _) => Output::Streamed,
            (OutputFormat::Json, Some(whole)) => {
                Output::Text(format!("{{\"predictions\":{whole}}}"))
            }
            (OutputFormat::Json, None) => {
                Output::Text(format!("{{\"predictions\":[{}]}}", self.joined))
            }
        }
    }
}

fn print(list: &[Box<RawValue>]) -> Result<(), Failure> {
    let mut text = String::new();
    for prediction in list {
        // A line holds one prediction, however the service laid it out.
        text.extend(prediction.get().chars().filter(|c| !matches!(c, '\n' | '\r')));
        text.push('\n');
    }
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::failed("cannot write predictions to stdout").cause(&error))
}
