//! Show versions.

use aip::{Place, Subject};
use stage::{Failure, Output, Process};

use crate::vertex;

/// Show a version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version get --project acme --model iris --version-name v1
  aip-version get --document 5-version.json")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    names: aip::Names,
}

/// List a model's versions, all pages; on Vertex AI with their aliases and
/// their share of the endpoint's requests
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version list --project acme --model iris | jq -c '.versions[] | [.aliases, .traffic]'")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    names: aip::Names,
}

pub(crate) fn get(
    process: &Process,
    options: &aip::Options,
    version: &aip::VersionOptions,
    args: &GetArgs,
) -> Result<Output, Failure> {
    let mut subject = Subject::model(process, options, &args.names)?;
    let version = version.require(&mut subject.document.spec)?;
    let name = match &subject.place {
        Place::AiPlatform(place) => place.version_name(&version),
        Place::Vertex(place) => place.version_name(&version),
    };
    let model = subject.place.model();
    subject.get(&name, &format!("version '{version}' of model '{model}'"))
}

pub(crate) fn list(
    process: &Process,
    options: &aip::Options,
    args: &ListArgs,
) -> Result<Output, Failure> {
    let subject = Subject::model(process, options, &args.names)?;
    match &subject.place {
        Place::AiPlatform(place) => {
            let request = gcp::get(&format!("{}/versions", place.model_name()));
            subject.list(request, "versions", &format!("the versions of model '{}'", place.model))
        }
        Place::Vertex(place) => vertex::list(&subject, place),
    }
}
