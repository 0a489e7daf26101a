//! Which version answers when a request names none.

use aip::Subject;
use aip::ai_platform::Place;
use log::info;
use serde_json::Value;
use stage::{Failure, Output, Process};

/// Make a version the one that answers when a request names none
///
/// AI Platform alone has a default version. On Vertex AI, traffic decides:
/// `aip-version traffic promote`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version set-default --project acme --model iris --version-name v2
  aip-version set-default --document 5-version.json")]
pub(crate) struct Args {
    #[command(flatten)]
    names: aip::Names,
}

pub(crate) fn run(
    process: &Process,
    options: &aip::Options,
    version: &aip::VersionOptions,
    args: &Args,
) -> Result<Output, Failure> {
    let mut subject = Subject::model(process, options, &args.names)?;
    let hint = "give the version all of the requests: aip-version traffic promote";
    let place = subject.place.ai_platform("default version");
    let place = place.map_err(|failure| failure.hint(hint))?;
    let version = version.require(&mut subject.document.spec)?;
    match subject.dry(&[gcp::ml::set_default(&place.version_name(&version))]) {
        Some(dry) => Ok(dry),
        None => set(place, &version).map(Output::Json),
    }
}

pub(crate) fn set(place: &Place, version: &str) -> Result<Value, Failure> {
    let request = gcp::ml::set_default(&place.version_name(version));
    let found = place.service.call(&request).map_err(|error| {
        let model = &place.model;
        let message = format!("cannot make version '{version}' the default of model '{model}'");
        Failure::from(error).context(message)
    })?;
    info!("version '{version}' is the default of model '{}'", place.model);
    Ok(found)
}
