//! Show what versions belong to.

use aip::{Place, Subject};
use stage::{Failure, Output, Process};

/// Show a model, with its default version; on Vertex AI, its endpoint
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-model get --project acme --model iris
  aip-model get --document 4-model.json | jq .trafficSplit
  aip-model get --target ai-platform --document 4-model.json | jq .defaultVersion.name")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    names: aip::Names,
}

/// List the project's models, all pages; on Vertex AI, a region's endpoints
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-model list --project acme | jq -r '.endpoints[].displayName'
  aip-model list --project acme --filter labels.managed_by=mlflow-aip
  aip-model list --project acme --target ai-platform | jq -r '.models[].name'")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    names: aip::Names,

    /// Only what fits, in the service's own language
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
}

pub(crate) fn get(
    process: &Process,
    options: &aip::Options,
    args: &GetArgs,
) -> Result<Output, Failure> {
    let subject = Subject::model(process, options, &args.names)?;
    match &subject.place {
        Place::AiPlatform(place) => {
            subject.get(&place.model_name(), &format!("model '{}'", place.model))
        }
        Place::Vertex(place) => {
            subject.get(&place.endpoint_name(), &format!("endpoint '{}'", place.endpoint_id))
        }
    }
}

pub(crate) fn list(
    process: &Process,
    options: &aip::Options,
    args: &ListArgs,
) -> Result<Output, Failure> {
    let subject = Subject::service(process, options, &args.names)?;
    let (parent, field) = match &subject.place {
        Place::AiPlatform(place) => (place.project_name(), "models"),
        Place::Vertex(place) => (place.location_name(), "endpoints"),
    };
    let mut request = gcp::get(&format!("{parent}/{field}"));
    if let Some(filter) = &args.filter {
        request = request.query("filter", filter);
    }
    subject.list(request, field, &format!("the {field} of '{parent}'"))
}
