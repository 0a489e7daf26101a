//! Make sure the model exists.

use aip::ai_platform::Place;
use deployment::{Deployment, Extra};
use log::{info, warn};
use serde_json::{Value, json};
use stage::{Failure, Output, Process};

const STAGE: &str = "model";

/// Make sure the model exists
///
/// Reads a Deployment on stdin and writes it on stdout with `stages.model`
/// filled in. A model that is there already is reused as it is; settings in
/// which it differs are reported.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-model create <3-upload.json >4-model.json
  aip-model create --online-prediction-logging --label team=flowers <3-upload.json")]
pub(crate) struct Args {
    /// What the model is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Have the service log each prediction's access
    #[arg(long)]
    online_prediction_logging: bool,

    /// Have the service log what predictors write to stdout and stderr
    #[arg(long)]
    online_prediction_console_logging: bool,

    /// A label; repeatable. The lineage is added by itself
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = aip::parse_label)]
    labels: Vec<(String, String)>,
}

pub(crate) fn run(
    process: &Process,
    options: &aip::Options,
    args: &Args,
) -> Result<Output, Failure> {
    let mut document = process.read_document()?;
    document.uploaded()?;
    let place = options.place(&mut document.spec)?;
    let place = place.ai_platform("model to create")?;
    let model = &mut document.spec.ai_platform.model;
    aip::check_objects("spec.aiPlatform.model", model, &["labels"])?;
    args.write_to(model);
    document.forget_results(STAGE);

    let wanted = resource(&document, place);
    let request = gcp::ml::create_model(&place.project, &wanted);
    let mut created = false;
    if document.spec.dry_run {
        process.would(&place.service.api().describe(&request));
    } else {
        created = match place.service.call(&request) {
            Ok(_) => true,
            // Asked for afterwards: between a question and the create, another
            // run may create it.
            Err(error) if error.status() == Some(409) => {
                let found = place.service.get(&place.model_name());
                let found = found.map_err(|error| refused(error, place))?;
                differences(&mut document, &wanted, &found);
                false
            }
            Err(error) => return Err(refused(error, place)),
        };
        info!("{} model '{}'", if created { "created" } else { "found" }, place.model_name());
    }
    let stage = document.stages.model.get_or_insert_default();
    stage.name = place.model_name();
    stage.created = created;
    Ok(document.into())
}

impl Args {
    fn write_to(&self, model: &mut Extra) {
        if let Some(description) = &self.description {
            model.insert("description".into(), json!(description));
        }
        if self.online_prediction_logging {
            model.insert("onlinePredictionLogging".into(), json!(true));
        }
        if self.online_prediction_console_logging {
            model.insert("onlinePredictionConsoleLogging".into(), json!(true));
        }
        for (key, value) in &self.labels {
            model.entry("labels").or_insert_with(|| json!({}))[key.as_str()] = json!(value);
        }
    }
}

/// The API's `Model`.
fn resource(document: &Deployment, place: &Place) -> Value {
    let mut model = document.spec.ai_platform.model.clone();
    model.insert("name".into(), json!(place.model));
    if let Some(region) = &place.region {
        model.insert("regions".into(), json!([region]));
    }
    // A run and a bundle make a version, not the model: of the lineage, only
    // the registered model's name holds for all of them.
    let mut labels = aip::lineage(document);
    labels.retain(|key, _| key == "mlflow_model");
    aip::merge(&mut model, labels);
    Value::Object(model)
}

fn differences(document: &mut Deployment, wanted: &Value, found: &Value) {
    for (key, want) in wanted.as_object().into_iter().flatten() {
        let have = &found[key];
        let unset = have.is_null() && (want == false || want == "");
        if key == "name" || key == "labels" || have == want || unset {
            continue;
        }
        let message = format!("the model is there already, with {key} {have} instead of {want}");
        warn!("{message}");
        let hint = "give the model's own setting, or choose another --model";
        document.warn(STAGE, message, Some(hint.into()));
    }
}

fn refused(error: gcp::Error, place: &Place) -> Failure {
    let status = error.status();
    let failure = Failure::from(error).context(format!("cannot create model '{}'", place.model));
    match status {
        Some(403) => failure.hint("the caller needs ml.models.create, as in roles/ml.developer"),
        _ => failure,
    }
}
