//! Show versions.

use serde_json::Value;
use stage::{Failure, Output, Process};

/// Show a version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version get --project acme --model iris --version-name v1 | jq -r .state
  aip-version get --document 5-version.json")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    names: aip::Names,
}

/// List a model's versions, all pages
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version list --project acme --model iris | jq -r '.versions[] | .name + \" \" + .state'")]
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
    let mut document = args.names.read(process)?;
    let place = options.place(&mut document.spec)?;
    let version = version.require(&mut document.spec)?;
    let name = place.version_name(&version);
    if document.spec.dry_run {
        return Ok(place.dry(process, &gcp::get(&name)));
    }
    let found = place.service.get(&name);
    Ok(Output::Json(found.map_err(|error| {
        let message = format!("cannot get version '{version}' of model '{}'", place.model);
        Failure::from(error).context(message)
    })?))
}

pub(crate) fn list(
    process: &Process,
    options: &aip::Options,
    args: &ListArgs,
) -> Result<Output, Failure> {
    let mut document = args.names.read(process)?;
    let place = options.place(&mut document.spec)?;
    let parent = place.model_name();
    if document.spec.dry_run {
        return Ok(place.dry(process, &gcp::get(&format!("{parent}/versions"))));
    }
    let versions = place.service.list(&parent, "versions").map_err(|error| {
        Failure::from(error).context(format!("cannot list the versions of model '{}'", place.model))
    })?;
    Ok(Output::Json([("versions".to_owned(), Value::Array(versions))].into_iter().collect()))
}
