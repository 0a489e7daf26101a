//! Removing a resource.

use gcp::{Request, Service};
use stage::{Failure, Process};

use crate::{Waiting, wait_for_operation};

/// Sends the request and waits for its operation; whether there was something
/// to remove. A 400 is a refusal that `hint` explains.
pub fn delete(
    process: &Process,
    service: &Service,
    request: &Request,
    waiting: &Waiting,
    hint: &str,
) -> Result<bool, Failure> {
    match service.call(request) {
        Ok(operation) => {
            wait_for_operation(process, service, waiting, &operation)?;
            Ok(true)
        }
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => {
            let refused = error.status() == Some(400);
            let failure = Failure::from(error).context(format!("cannot {}", waiting.doing));
            Err(if refused { failure.hint(hint) } else { failure })
        }
    }
}
