//! Show who asks.

use deployment::{Spec, Target};
use gcp::Credentials;
use serde_json::json;
use stage::{Failure, Output, settings};

/// Show which credentials are used, and get a token with them
///
/// Answers with the account (where it can be known), the type of the
/// credentials, what led to them, whose quota is used, and until when the
/// token lives. The token itself is never shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-model whoami
  aip-model whoami | jq -r .principal
  GOOGLE_APPLICATION_CREDENTIALS=key.json aip-model whoami")]
pub(crate) struct Args {}

/// For the service that has the models. No project is needed for this.
pub(crate) fn run(options: &aip::Options) -> Result<Output, Failure> {
    let mut spec = Spec::default();
    let target =
        settings::TARGET.resolve(options.target, &mut spec.target, Some(Target::DEFAULT))?;
    let region = settings::REGION.resolve(options.region.clone(), &mut spec.region, None)?;
    let service = match target.unwrap_or(Target::DEFAULT) {
        Target::Vertex => gcp::vertex_endpoint(region.as_deref().unwrap_or(aip::vertex::REGION)),
        Target::AiPlatform => {
            gcp::ml_endpoint(region.as_deref().filter(|_| options.regional_endpoint))
        }
    };
    let credentials = Credentials::new(options.access_token_file.clone());
    let found = credentials.whoami(&service).map_err(|error| {
        Failure::from(gcp::Error::from(error))
            .context(format!("cannot get credentials for '{service}'"))
    })?;
    Ok(Output::Json(json!(found)))
}
