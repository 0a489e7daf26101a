//! Show models.

use serde_json::Value;
use stage::{Failure, Output, Process};

/// Show a model, with its default version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-model get --project acme --model iris
  aip-model get --document 4-model.json | jq .defaultVersion.name")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    names: aip::Names,
}

/// List the project's models, all pages
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-model list --project acme | jq -r '.models[].name'")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    names: aip::Names,
}

pub(crate) fn get(
    process: &Process,
    options: &aip::Options,
    args: &GetArgs,
) -> Result<Output, Failure> {
    let mut document = args.names.read(process)?;
    let place = options.place(&mut document.spec)?;
    let name = place.model_name();
    if document.spec.dry_run {
        return Ok(place.dry(process, &gcp::get(&name)));
    }
    let model = place.service.get(&name);
    Ok(Output::Json(model.map_err(|error| {
        Failure::from(error).context(format!("cannot get model '{}'", place.model))
    })?))
}

pub(crate) fn list(
    process: &Process,
    options: &aip::Options,
    args: &ListArgs,
) -> Result<Output, Failure> {
    let mut document = args.names.read(process)?;
    let place = options.service(&mut document.spec)?;
    let parent = place.project_name();
    if document.spec.dry_run {
        return Ok(place.dry(process, &gcp::get(&format!("{parent}/models"))));
    }
    let models = place.service.list(&parent, "models").map_err(|error| {
        Failure::from(error).context(format!("cannot list the models of '{parent}'"))
    })?;
    Ok(Output::Json([("models".to_owned(), Value::Array(models))].into_iter().collect()))
}
