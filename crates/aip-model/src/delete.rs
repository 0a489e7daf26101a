//! Remove a model.

use std::time::Duration;

use aip::Waiting;
use log::info;
use serde_json::json;
use stage::{Failure, Output, Process};

/// Remove a model that has no versions
///
/// A model that is gone already is as good as removed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-model delete --project acme --model iris
  aip-model delete --document 4-model.json")]
pub(crate) struct Args {
    #[command(flatten)]
    names: aip::Names,
}

pub(crate) fn run(
    process: &Process,
    options: &aip::Options,
    args: &Args,
) -> Result<Output, Failure> {
    let mut document = args.names.read(process)?;
    let place = options.place(&mut document.spec)?;
    let name = place.model_name();
    let request = gcp::delete(&name);
    if document.spec.dry_run {
        return Ok(place.dry(process, &request));
    }
    let doing = format!("delete model '{}'", place.model);
    let deleted = match place.service.call(&request) {
        Ok(operation) => {
            let waiting = Waiting {
                doing,
                resume: "run the same command again".into(),
                timeout: Duration::from_secs(600),
            };
            aip::wait_for_operation(process, &place.service, &waiting, &operation)?;
            true
        }
        Err(error) if error.status() == Some(404) => false,
        Err(error) => {
            let refused = error.status() == Some(400);
            let failure = Failure::from(error).context(format!("cannot {doing}"));
            return Err(if refused {
                failure.hint("delete its versions first: aip-version list, aip-version delete")
            } else {
                failure
            });
        }
    };
    info!("model '{name}' {}", if deleted { "is deleted" } else { "was not there" });
    Ok(Output::Json(json!({"name": name, "deleted": deleted})))
}
