//! Remove a model.

use std::time::Duration;

use aip::{Place, Subject, Waiting};
use log::info;
use serde_json::json;
use stage::{Failure, Output, Process};

/// Remove a model that has no versions; on Vertex AI, an endpoint to which none
/// is deployed
///
/// What is gone already is as good as removed.
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
    let subject = Subject::model(process, options, &args.names)?;
    let (name, what, hint) = match &subject.place {
        Place::AiPlatform(place) => {
            let hint = "delete its versions first: aip-version list, aip-version delete";
            (place.model_name(), format!("model '{}'", place.model), hint)
        }
        Place::Vertex(place) => {
            let hint = "delete what is deployed to it first: aip-version list, \
                aip-version delete --last";
            (place.endpoint_name(), format!("endpoint '{}'", place.endpoint_id), hint)
        }
    };
    let request = gcp::delete(&name);
    if let Some(dry) = subject.dry(std::slice::from_ref(&request)) {
        return Ok(dry);
    }
    let waiting = Waiting {
        doing: format!("delete {what}"),
        resume: "run the same command again".into(),
        timeout: Duration::from_secs(600),
    };
    let deleted = aip::delete(process, subject.place.service(), &name, &request, &waiting, hint)?;
    info!("{what} {}", if deleted { "is deleted" } else { "was not there" });
    Ok(Output::Json(json!({"name": name, "deleted": deleted})))
}
