//! Make sure that there is what versions belong to.

use aip::{Place, given, refuse_flags};
use deployment::{Deployment, Extra};
use serde_json::{Value, json};
use stage::{Failure, Output, Process};

use crate::{ai_platform, vertex};

const STAGE: &str = "model";

/// Make sure the model exists; on Vertex AI, the endpoint that serves it
///
/// Reads a Deployment on stdin and writes it on stdout with `stages.model`
/// filled in. What is there already is reused as it is; settings in which it
/// differs are reported.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-model create <3-upload.json >4-model.json
  aip-model create --dedicated --label team=flowers <3-upload.json
  aip-model create --request-response-logging bq://acme.serving.iris <3-upload.json
  aip-model create --target ai-platform --online-prediction-logging <3-upload.json")]
pub(crate) struct Args {
    /// What the model is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// A label; repeatable. The lineage is added by itself
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = aip::parse_label)]
    labels: Vec<(String, String)>,

    /// Make it before there is anything to serve: of the document, the names are
    /// enough
    #[arg(long)]
    before_upload: bool,

    #[command(flatten)]
    vertex: vertex::Flags,

    #[command(flatten)]
    ai_platform: ai_platform::Flags,
}

pub(crate) fn run(
    process: &Process,
    options: &aip::Options,
    args: &Args,
) -> Result<Output, Failure> {
    let mut document = process.read_document()?;
    if !args.before_upload {
        document.stages.uploaded()?;
    }
    let place = options.place(&mut document.spec)?;
    document.forget_results(STAGE);
    let foreign = match &place {
        Place::AiPlatform(_) => given(&args.vertex),
        Place::Vertex(_) => given(&args.ai_platform),
    };
    refuse_flags(place.target(), &foreign)?;
    let created = match &place {
        Place::AiPlatform(place) => {
            let fields = &mut document.spec.ai_platform.model;
            aip::check_objects("spec.aiPlatform.model", fields, &["labels"])?;
            args.write_to(fields);
            args.ai_platform.write_to(fields);
            ai_platform::create(process, place, &mut document)?
        }
        Place::Vertex(place) => {
            let fields = &mut document.spec.vertex.endpoint;
            aip::check_objects("spec.vertex.endpoint", fields, vertex::OBJECTS)?;
            args.write_to(fields);
            args.vertex.write_to(fields);
            vertex::create(process, place, &mut document)?
        }
    };
    let stage = document.stages.model.get_or_insert_default();
    stage.name = name(&place);
    stage.created = created;
    Ok(document.into())
}

/// What `stages.model` calls it.
fn name(place: &Place) -> String {
    match place {
        Place::AiPlatform(place) => place.model_name(),
        Place::Vertex(place) => place.endpoint_name(),
    }
}

impl Args {
    fn write_to(&self, fields: &mut Extra) {
        if let Some(description) = &self.description {
            fields.insert("description".into(), json!(description));
        }
        for (key, value) in &self.labels {
            fields.entry("labels").or_insert_with(|| json!({}))[key.as_str()] = json!(value);
        }
    }
}

/// The lineage as labels. A run and a bundle make a version, not the model: of
/// them, only the registered model's name holds for all.
pub(crate) fn lineage(document: &Deployment) -> Extra {
    let mut labels = aip::lineage(document);
    labels.retain(|key, _| key == "mlflow_model");
    labels
}

/// What was wanted of one that is there and is otherwise.
pub(crate) fn report(document: &mut Deployment, what: &str, wanted: &Value, found: &Value) {
    for difference in aip::differences(wanted, found, &["name"]) {
        report_one(document, format!("the {what} is there already, and its {difference}"));
    }
    let labels = aip::missing_labels(wanted, found);
    if !labels.is_empty() {
        let labels = labels.join(", ");
        report_one(document, format!("the {what} is there already, without the labels {labels}"));
    }
}

fn report_one(document: &mut Deployment, message: String) {
    let hint = "give its own setting, or choose another --model";
    stage::warn(document, STAGE, message, Some(hint.into()));
}
