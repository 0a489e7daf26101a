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
    mut ask: impl FnMut(&Progress) -> Result<Outcome, gcp::Error>,
) -> Result<Value, Failure> {
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
            Outcome::Done(response) => return Ok(response),
            Outcome::Failed(message) => return Err(failed(waiting, &message)),
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

/// The same for an operation, by the answer that began it, under whatever name
/// it has. What Vertex AI says of a deployment's stage is shown.
pub fn wait_for_operation(
    process: &Process,
    service: &Service,
    waiting: &Waiting,
    operation: &Value,
) -> Result<Value, Failure> {
    let name = operation["name"].as_str().unwrap_or_default();
    // It may have been done at once, or long ago.
    let mut known = (operation["done"] == true).then(|| operation.clone());
    let mut stage = String::new();
    wait(process, waiting, |progress| {
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

/// The service's own text, and what is known of its causes.
fn failed(waiting: &Waiting, message: &str) -> Failure {
    let failure = Failure::failed(format!("cannot {}", waiting.doing)).because(message);
    match hint(message) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Known causes of a version that does not come up.
fn hint(message: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 7] = [
        (
            "failed to install",
            "the package or one of its requirements does not install there; \
            try it here: pip install --target DIR the sdist in the bundle's dist/",
        ),
        ("cannot be found", "predictionClass must be MODULE.CLASS of a module in the package"),
        ("invalid signature", "predict must take exactly (self, instances) and **kwargs"),
        (
            "No module named",
            "the model needs a package that its requirements.txt does not name; \
            add it: aip-bundle --requirement NAME==VERSION",
        ),
        ("memory", "the model is too large for the machine; try --machine-type mls1-c4-m2"),
        ("deadline", "loading took too long; look at what from_path does"),
        (
            "Failed to load model",
            "from_path raised; the model's requirements must be installable \
            on the Python that serves it",
        ),
    ];
    KNOWN.iter().find(|(text, _)| message.contains(text)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_failures_have_a_hint() {
        let text = "Create Version failed. Bad model detected with error:  \"Failed to load model: \
                    User-provided package x.tar.gz failed to install: … (Error code: 0)\"";
        assert!(hint(text).unwrap().contains("pip install"));
        assert_eq!(hint("something else"), None);
    }
}
