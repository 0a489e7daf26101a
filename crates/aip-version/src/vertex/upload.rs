//! The version of the model.

use aip::BUNDLE_DIGEST;
use deployment::{Builder, Deployment, Kind};
use gcp::{Called, Outcome, Request, vertex};
use log::info;
use serde_json::{Value, json};
use stage::Failure;

use super::failure;
use super::job::Job;
use crate::create::{AGAIN, STAGE};

const KIND: &str = "UploadModelOperationMetadata";
const PERMISSION: &str = "aiplatform.models.upload";

/// A version that is there.
pub(super) struct Uploaded {
    /// As the service counts: `3` of `models/M@3`.
    pub(super) number: String,
    /// Whether this run made it.
    pub(super) created: bool,
}

/// A version of the name, or none.
enum Known {
    Same(Value),
    Other(Value),
    None,
}

/// As the model's first version, or, where there is a model, as another one of
/// it. An upload makes another version each time: one that is there is looked
/// for whenever it could be ours.
pub(super) fn upload(job: &Job, document: &mut Deployment) -> Result<Uploaded, Failure> {
    let message = format!("interrupted while trying to {}", job.doing());
    let _interrupt = job.process.on_interrupt(message, AGAIN)?;
    let location = job.place.location_name();
    let first = vertex::upload_model(&location, &job.place.model_id, &job.model);
    match job.place.service.call(&first) {
        Ok(operation) => match made(job, &operation)? {
            Ok(number) => return Ok(Uploaded { number, created: true }),
            // Another run's may have been quicker.
            Err(message) => match known(job, document) {
                Ok(Known::Same(found)) => return Ok(reused(job, document, &found)),
                _ => return Err(failed(job, &message)),
            },
        },
        Err(error) if error.status() == Some(409) => {}
        Err(error) => return Err(job.refused(error, PERMISSION)),
    }
    await_model(job)?;
    job.settle(&job.place.model_name(), KIND)?;
    match known(job, document).map_err(|error| job.refused(error, "aiplatform.models.get"))? {
        Known::Same(found) => Ok(reused(job, document, &found)),
        Known::Other(found) if !job.replace => Err(refuse(job, document, &found)),
        Known::Other(found) => another(job, document, Some(&found)),
        Known::None => another(job, document, None),
    }
}

/// What a dry run shows.
pub(super) fn request(job: &Job) -> Request {
    vertex::upload_model(&job.place.location_name(), &job.place.model_id, &job.model)
}

/// `before` is the version that it replaces: that stays, but its aliases come
/// over, for they name what the user now has.
fn another(job: &Job, document: &Deployment, before: Option<&Value>) -> Result<Uploaded, Failure> {
    let place = job.place;
    let mut model = job.model.clone();
    let aliases = aliases(&job.model, before);
    model["versionAliases"] = json!(aliases);
    let request = vertex::upload_version(&place.location_name(), &place.model_name(), &model);
    let find = || match known(job, document)? {
        Known::Same(found) => Ok(Some(found)),
        Known::Other(_) | Known::None => Ok(None),
    };
    let called = place.service.call_unless(&request, find);
    let number = match called.map_err(|error| job.refused(error, PERMISSION))? {
        Called::Found(found) => number(&found),
        Called::Answer(operation) => {
            made(job, &operation)?.map_err(|message| failed(job, &message))?
        }
    };
    if let Some(before) = before {
        keep_aliases(job, &number, &aliases)?;
        let old = place.version_name(&self::number(before));
        info!("what was version '{}' stays as '{old}'", job.version);
    }
    Ok(Uploaded { number, created: true })
}

fn aliases<'a>(model: &'a Value, before: Option<&'a Value>) -> Vec<&'a str> {
    let list = |value: &'a Value| value["versionAliases"].as_array().into_iter().flatten();
    let all = list(model).chain(before.into_iter().flat_map(list));
    let mut aliases: Vec<_> = all.filter_map(Value::as_str).collect();
    aliases.sort_unstable();
    aliases.dedup();
    aliases
}

/// Waits for the operation; the version's number, or why there is none.
fn made(job: &Job, operation: &Value) -> Result<Result<String, String>, Failure> {
    let doing = format!("upload version '{}' of model '{}'", job.version, job.place.model);
    let waiting = job.waiting(doing);
    let ended = aip::outcome(job.process, &job.place.service, &waiting, operation)?;
    Ok(ended.map(|response| {
        let number = response["modelVersionId"].as_str().unwrap_or("1").to_owned();
        info!("uploaded version '{}' as '{}'", job.version, job.place.version_name(&number));
        number
    }))
}

/// Aliases of another version come over with the upload; where they do not,
/// they are fetched.
fn keep_aliases(job: &Job, number: &str, aliases: &[&str]) -> Result<(), Failure> {
    let (service, name) = (&job.place.service, job.place.version_name(number));
    let refused = |error| job.refused(error, "aiplatform.models.update");
    let found = service.get(&name).map_err(refused)?;
    let there = self::aliases(&found, None);
    let missing: Vec<_> = aliases.iter().copied().filter(|alias| !there.contains(alias)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    service.call(&vertex::merge_aliases(&name, &missing)).map(drop).map_err(refused)
}

/// The name of a model is taken before the model can be seen.
fn await_model(job: &Job) -> Result<(), Failure> {
    let waiting = job.waiting(job.doing());
    let service = &job.place.service;
    aip::wait(job.process, &waiting, |_| match service.get(&job.place.model_name()) {
        Ok(_) => Ok(Outcome::Done(Value::Null)),
        Err(error) if error.status() == Some(404) => Ok(Outcome::Running),
        Err(error) => Err(error),
    })
    .map(drop)
}

fn known(job: &Job, document: &Deployment) -> Result<Known, gcp::Error> {
    match job.place.service.get(&job.place.version_name(job.version)) {
        Ok(found) if differences(job, document, &found).is_empty() => Ok(Known::Same(found)),
        Ok(found) => Ok(Known::Other(found)),
        Err(error) if error.status() == Some(404) => Ok(Known::None),
        Err(error) => Err(error),
    }
}

/// What it is made of. Words about it do not count, nor an image that a build
/// service made of the same bundle at another time.
fn differences(job: &Job, document: &Deployment, found: &Value) -> Vec<String> {
    let (wanted, have) = (&job.model["labels"][BUNDLE_DIGEST], &found["labels"][BUNDLE_DIGEST]);
    if wanted != have {
        return vec![format!("{BUNDLE_DIGEST} is {have}, not {wanted}")];
    }
    let image = document.stages.bundle.as_ref().and_then(|bundle| bundle.image.as_ref());
    let is_rebuilt = image.is_some_and(|image| image.builder == Builder::CloudBuild);
    let content = json!({
        "containerSpec": job.model["containerSpec"], "artifactUri": job.model["artifactUri"]
    });
    let all = aip::differences(&content, found, &[]);
    all.into_iter()
        .filter(|difference| !(is_rebuilt && difference.field == "containerSpec.imageUri"))
        .map(|difference| difference.to_string())
        .collect()
}

fn reused(job: &Job, document: &mut Deployment, found: &Value) -> Uploaded {
    let labels = aip::missing_labels(&job.model, found);
    if !labels.is_empty() {
        let message = format!("the version is there already, without {}", labels.join(", "));
        stage::warn(document, STAGE, message, None);
    }
    let number = number(found);
    info!("found version '{}' as '{}'", job.version, job.place.version_name(&number));
    Uploaded { number, created: false }
}

pub(super) fn number(found: &Value) -> String {
    found["versionId"].as_str().unwrap_or("1").to_owned()
}

fn refuse(job: &Job, document: &Deployment, found: &Value) -> Failure {
    let differences = differences(job, document, found).join("; ");
    Failure::new(Kind::Refused, format!("cannot {}", job.doing()))
        .http_status(409)
        .because(format!("a version of this name is there, made of something else: {differences}"))
        .hint("replace it with --replace, or choose another name with --version-name")
}

fn failed(job: &Job, message: &str) -> Failure {
    failure::failed(&job.doing(), message)
}
