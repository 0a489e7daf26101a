//! Removing a resource.

use gcp::{Request, Service};
use stage::{Failure, Process};

use crate::{Waiting, outcome};

/// Sends the request to remove `name` and waits for its operation; whether there
/// was something to remove. A 400 is a refusal that `hint` explains.
pub fn delete(
    process: &Process,
    service: &Service,
    name: &str,
    request: &Request,
    waiting: &Waiting,
    hint: &str,
) -> Result<bool, Failure> {
    match service.call(request) {
        Ok(operation) => {
            let ended = outcome(process, service, waiting, &operation)?;
            let Err(message) = ended else { return Ok(true) };
            // The same request, whose answer was lost, may have been quicker.
            let is_gone = service.get(name).is_err_and(|error| error.status() == Some(404));
            if is_gone {
                return Ok(true);
            }
            Err(Failure::failed(format!("cannot {}", waiting.doing)).because(message))
        }
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => {
            let refused = error.status() == Some(400);
            let failure = Failure::from(error).context(format!("cannot {}", waiting.doing));
            Err(if refused { failure.hint(hint) } else { failure })
        }
    }
}
