//! From AI Platform to Vertex AI: the same model, where it can still be served.
//!
//! What a version was made of is known from its document, or from its record at
//! the service. What it lacks is an image: the tools before this one make it.

mod carry;
mod names;
mod package;
mod record;
mod tools;

use std::path::Path;

use aip::Options;
use deployment::{Deployment, Target};
use log::info;
use stage::{Failure, Process, settings};

pub(crate) use record::Record;
use tools::Tools;

/// The document on stdin, or the one that a version's record stands for.
pub(crate) fn read(process: &Process) -> Result<(Deployment, Option<Record>), Failure> {
    let mut record = None;
    let document = process.read_document_or(|bytes| {
        record = Record::parse(bytes);
        record.as_ref().map(Record::document)
    })?;
    Ok((document, record))
}

/// Whether a document tells of the other target, and has no image yet.
pub(crate) fn is_due(before: Option<Target>, document: &Deployment) -> bool {
    let upload = document.stages.upload.as_ref();
    let has_image = upload.is_some_and(|upload| upload.image.is_some());
    before == Some(Target::AiPlatform) && !has_image
}

/// The document as the stages before leave it. Where the target is settled on,
/// and with it project, region and model.
pub(crate) fn migrate(
    process: &Process,
    options: &Options,
    mut document: Deployment,
    record: Option<&Record>,
) -> Result<Deployment, Failure> {
    names::settle(&mut document)?;
    let tools = Tools { process, access_token_file: options.access_token_file.as_deref() };
    let mut bundle = vec![];
    match record {
        Some(record) => {
            carry::version(&record.fields, &mut document.spec);
            document = tools.run("mlf-fetch", &["--document", "-"], &document)?;
            bundle = record.bundle_args(options, &mut document)?;
        }
        None => document = again(&tools, document, &mut bundle)?,
    }
    let bundle: Vec<_> = bundle.iter().map(String::as_str).collect();
    document = tools.run("aip-bundle", &bundle, &document)?;
    document = tools.run("aip-upload", &[], &document)?;
    document = tools.run("aip-model", &["create"], &document)?;
    info!("the model has an image and an endpoint; on to the version");
    Ok(document)
}

/// From a document: its model's files where they still are, else as they were
/// uploaded.
fn again(
    tools: &Tools,
    mut document: Deployment,
    bundle: &mut Vec<String>,
) -> Result<Deployment, Failure> {
    let fields = document.spec.ai_platform.version.clone();
    carry::version(&fields, &mut document.spec);
    carry::model(&mut document.spec);
    if let Some(made) = &document.stages.bundle {
        bundle.extend(["--prediction-class".into(), made.prediction_class.clone()]);
        bundle.extend(["--python-version".into(), made.python_version.clone()]);
    }
    let fetched = document.stages.fetched()?.clone();
    if Path::new(&fetched.directory).join("MLmodel").is_file() {
        return Ok(document);
    }
    let uploaded = document.stages.uploaded()?.deployment_uri.trim_end_matches('/').to_owned();
    info!("the model's files are not here any more; they come from '{uploaded}'");
    document.spec.model_uri = Some(uploaded);
    document = tools.run("mlf-fetch", &["--document", "-"], &document)?;
    // Where they came from first still holds.
    document.spec.model_uri = Some(fetched.model_uri.clone());
    if let Some(fetch) = &mut document.stages.fetch {
        fetch.model_uri = fetched.model_uri;
        fetch.lineage = fetched.lineage;
    }
    Ok(document)
}

/// Where a predictor that was taken out of its package is kept.
fn directory(document: &mut Deployment) -> Result<std::path::PathBuf, Failure> {
    let work_dir = settings::work_dir(None, &mut document.spec.work_dir)?;
    let spec = &document.spec;
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    let name = format!("{}-{}-{}", part(&spec.project), part(&spec.model), part(&spec.version));
    Ok(work_dir.join("migrated").join(name.replace(['/', ':'], "-")))
}
