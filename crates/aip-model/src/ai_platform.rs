//! Models of AI Platform Prediction.

use aip::ai_platform::Place;
use deployment::{Deployment, Extra};
use log::info;
use serde::Serialize;
use serde_json::{Value, json};
use stage::{Failure, Process};

use crate::create::{lineage, report};

/// Written into `spec.aiPlatform.model`, where every other field of the API can
/// be set as well. Serialised, it says which were given.
#[derive(Debug, clap::Args, Serialize)]
#[command(next_help_heading = "AI Platform")]
#[serde(rename_all = "kebab-case")]
#[group(skip)]
pub(crate) struct Flags {
    /// Have the service log each prediction's access
    #[arg(long)]
    online_prediction_logging: bool,

    /// Have the service log what predictors write to stdout and stderr
    #[arg(long)]
    online_prediction_console_logging: bool,
}

impl Flags {
    pub(crate) fn write_to(&self, model: &mut Extra) {
        if self.online_prediction_logging {
            model.insert("onlinePredictionLogging".into(), json!(true));
        }
        if self.online_prediction_console_logging {
            model.insert("onlinePredictionConsoleLogging".into(), json!(true));
        }
    }
}

/// Whether this run created it.
pub(crate) fn create(
    process: &Process,
    place: &Place,
    document: &mut Deployment,
) -> Result<bool, Failure> {
    let wanted = resource(document, place);
    let request = gcp::ml::create_model(&place.project, &wanted);
    if document.spec.dry_run {
        process.would(&place.service.api().describe(&request));
        return Ok(false);
    }
    let created = match place.service.call(&request) {
        Ok(_) => true,
        // Asked for afterwards: between a question and the create, another
        // run may create it.
        Err(error) if error.status() == Some(409) => {
            let found = place.service.get(&place.model_name());
            let found = found.map_err(|error| refused(error, place))?;
            report(document, "model", &wanted, &found);
            false
        }
        Err(error) => return Err(refused(error, place)),
    };
    info!("{} model '{}'", if created { "created" } else { "found" }, place.model_name());
    Ok(created)
}

/// The API's `Model`.
fn resource(document: &Deployment, place: &Place) -> Value {
    let mut model = document.spec.ai_platform.model.clone();
    model.insert("name".into(), json!(place.model));
    if let Some(region) = &place.region {
        model.insert("regions".into(), json!([region]));
    }
    aip::merge(&mut model, lineage(document));
    Value::Object(model)
}

fn refused(error: gcp::Error, place: &Place) -> Failure {
    let status = error.status();
    let failure = Failure::from(error).context(format!("cannot create model '{}'", place.model));
    match status {
        Some(403) => failure.hint("the caller needs ml.models.create, as in roles/ml.developer"),
        _ => failure,
    }
}
