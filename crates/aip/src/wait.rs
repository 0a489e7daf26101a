//! Waiting for a long-running operation.

use std::time::{Duration, Instant};

use deployment::Kind;
use gcp::{Outcome, Service, operation_outcome};
use log::debug;
use serde_json::Value;
use stage::{Failure, Process, Progress};

/// The service takes minutes; an emulator, a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is waited for, in the words of the messages about it.
#[derive(Debug)]
pub struct Waiting {
    /// Such as: `create version 'v1' of model 'iris'`.
    pub doing: String,
    /// What takes it up after an interruption.
    pub resume: String,
    pub timeout: Duration,
}

/// Asks until it is done and gives what came of it. The timeout is looked at
/// between two questions.
pub fn wait(
    process: &Process,
    waiting: &Waiting,
    ask: impl FnMut(&Progress) -> Result<Outcome, gcp::Error>,
) -> Result<Value, Failure> {
    ended(process, waiting, ask)?.map_err(|message| failed(waiting, &message))
}

/// The same for an operation, by the answer that began it, under whatever name
/// it has. What Vertex AI says of a deployment's stage is shown.
pub fn wait_for_operation(
    process: &Process,
    service: &Service,
    waiting: &Waiting,
    operation: &Value,
) -> Result<Value, Failure> {
    outcome(process, service, waiting, operation)?.map_err(|message| failed(waiting, &message))
}

/// The same for who has more to say of an operation's failure than its text.
pub fn outcome(
    process: &Process,
    service: &Service,
    waiting: &Waiting,
    operation: &Value,
) -> Result<Result<Value, String>, Failure> {
    let name = operation["name"].as_str().unwrap_or_default();
    // It may have been done at once, or long ago.
    let mut known = (operation["done"] == true).then(|| operation.clone());
    let mut stage = String::new();
    ended(process, waiting, |progress| {
        let operation = known.take().map_or_else(|| service.get(name), Ok)?;
        if let Some(next) = operation["metadata"]["deploymentStage"].as_str()
            && next != stage
            && operation["done"] != true
        {
            next.clone_into(&mut stage);
            let words = stage.to_lowercase().replace('_', " ");
            debug!("{name}: {words}");
            progress.say(format!("{}: {words}", waiting.doing));
        }
        Ok(operation_outcome(&operation))
    })
}

/// `Err` within is the service's own text about a failure.
pub fn ended(
    process: &Process,
    waiting: &Waiting,
    mut ask: impl FnMut(&Progress) -> Result<Outcome, gcp::Error>,
) -> Result<Result<Value, String>, Failure> {
    let message = format!("interrupted while waiting to {}; it goes on", waiting.doing);
    let _interrupt = process.on_interrupt(message, &waiting.resume)?;
    let progress = process.waiting(&waiting.doing);
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = ask(&progress).map_err(|error| {
            Failure::from(error).context(format!("cannot {}", waiting.doing)).hint(&waiting.resume)
        })?;
        match outcome {
            Outcome::Done(response) => return Ok(Ok(response)),
            Outcome::Failed(message) => return Ok(Err(message)),
            Outcome::Running => {}
        }
        if start.elapsed() > waiting.timeout {
            let message = format!("gave up waiting to {}; it goes on", waiting.doing);
            return Err(Failure::new(Kind::Unavailable, message).hint(&waiting.resume));
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

fn failed(waiting: &Waiting, message: &str) -> Failure {
    Failure::failed(format!("cannot {}", waiting.doing)).because(message)
}
