//! Whether what was uploaded is still there, and is all that is there.

use std::sync::Arc;

use deployment::{Deployment, Upload};
use gcp::Credentials;
use gcp::images::{self, Access};
use gcp::storage::{GsUri, GsUriError};
use oci::{Platform, Reference};
use serde_json::json;
use stage::{Failure, Output, Process};

use crate::item::Item;
use crate::plan::Plan;
use crate::reach::Headers;
use crate::there::There;

/// So many differences are shown one by one.
const SHOWN: usize = 20;

/// Compare the bucket, and the image in its registry, with the document
///
/// Reads a Deployment on stdin. What is missing, what has other content and what
/// does not belong to the model is shown on stderr, and is a failure (exit
/// status 1). Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-upload verify <3-upload.json
  aip-upload verify --document 5-version.json && echo as it was")]
pub(crate) struct Args {
    /// Take the names from this document; - is stdin
    #[arg(long, value_name = "FILE", default_value = "-")]
    document: String,

    /// File with an access token, instead of the credentials that are found
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<std::path::PathBuf>,

    #[command(flatten)]
    headers: Headers,
}

/// What should be in the bucket.
#[derive(Debug)]
struct Expected {
    bucket: String,
    /// All of it lies below.
    prefix: String,
    /// Nothing else may lie below.
    model_prefix: String,
    /// In the order of their names.
    objects: Vec<Object>,
}

#[derive(Debug, PartialEq, Eq)]
struct Object {
    name: String,
    size: u64,
    crc32c: String,
}

impl Object {
    fn new(name: String, size: u64, crc32c: &str) -> Self {
        Self { name, size, crc32c: crc32c.to_owned() }
    }
}

fn sorted(mut objects: Vec<Object>) -> Vec<Object> {
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    objects.dedup();
    objects
}

pub(crate) fn run(process: &Process, args: &Args) -> Result<Output, Failure> {
    let mut document = process.read_document_from(&args.document)?;
    if document.spec.dry_run {
        return Err(Failure::input("the document is of a dry run: there is nothing to verify"));
    }
    let credentials = Arc::new(Credentials::new(args.access_token_file.clone()));
    document.stages.uploaded()?;
    let mut uploaded = document.stages.upload.take().unwrap_or_default();
    let image = uploaded.image.take();
    let expected = Expected::of(&document, uploaded)?;
    let mut found = Vec::new();
    if let Some(expected) = &expected {
        let storage = args.headers.storage(credentials.clone())?;
        let there = storage.list(&expected.bucket, &expected.prefix).map_err(|error| {
            Failure::from(error).context(format!("cannot look at bucket '{}'", expected.bucket))
        })?;
        found = expected.differences(&there.into());
    }
    let image = image.filter(|image| image.digest.is_some());
    if let Some(image) = &image {
        found.extend(look_at_image(credentials, &image.uri)?);
    }
    let subject = expected.as_ref().map_or_else(
        || image.as_ref().map(|image| image.uri.clone()).unwrap_or_default(),
        |expected| format!("gs://{}/{}", expected.bucket, expected.prefix),
    );
    if !found.is_empty() {
        return Err(failure(&subject, &found));
    }
    let objects = expected.as_ref().map(|expected| expected.objects.len()).unwrap_or_default();
    log::info!("'{subject}' is as the document says");
    Ok(Output::Json(json!({
        "uri": subject,
        "objects": objects,
        "image": image.map(|image| image.uri),
        "verified": true,
    })))
}

fn failure(subject: &str, found: &[String]) -> Failure {
    let message = format!("'{subject}' is not what the document says");
    let mut failure = Failure::failed(message);
    for difference in found.iter().take(SHOWN) {
        failure = failure.because(difference);
    }
    if found.len() > SHOWN {
        failure = failure.because(format!("and {} more", found.len() - SHOWN));
    }
    failure.hint(
        "bring it back: aip-upload --overwrite, with --delete-extra where something is too much",
    )
}

impl Expected {
    /// By what the stage before says, so that nothing depends on what the last
    /// upload believed; by the upload's own record where that is all there is.
    fn of(document: &Deployment, uploaded: Upload) -> Result<Option<Self>, Failure> {
        let Upload { objects: recorded, deployment_uri, .. } = uploaded;
        if recorded.is_empty() {
            return Ok(None);
        }
        if document.stages.fetch.is_some() && document.stages.bundle.is_some() {
            // It may be as large as all the rest.
            drop(recorded);
            let plan = Plan::make(&document.spec, &document.stages)?;
            let object = |item: &Item| Object::new(item.name(), item.size(), item.crc32c());
            let objects = sorted(plan.items.iter().map(object).collect());
            let Plan { bucket, prefix, model_prefix, .. } = plan;
            return Ok(Some(Self { bucket, prefix, model_prefix, objects }));
        }
        let parse =
            |uri: &str| uri.parse().map_err(|error: GsUriError| Failure::input(error.to_string()));
        let model: GsUri = parse(&deployment_uri)?;
        let prefix = model.name.trim_end_matches('/').rsplit_once('/');
        let mut objects = Vec::with_capacity(recorded.len());
        for object in recorded {
            let uri: GsUri = parse(&object.uri)?;
            objects.push(Object::new(uri.name, object.size, &object.crc32c));
        }
        Ok(Some(Self {
            bucket: model.bucket,
            prefix: prefix.map(|(prefix, _)| format!("{prefix}/")).unwrap_or_default(),
            model_prefix: model.name,
            objects: sorted(objects),
        }))
    }

    /// A line for each, in the order of their names.
    fn differences(&self, there: &There) -> Vec<String> {
        let mut found = Vec::new();
        let uri = |name: &str| format!("'gs://{}/{name}'", self.bucket);
        for Object { name, size, crc32c } in &self.objects {
            match there.get(name) {
                None => found.push((name, format!("{} is missing", uri(name)))),
                Some(there) if there.crc32c.is_none() => {
                    let why = "it is encrypted with a key that only its owner has";
                    found.push((name, format!("{} cannot be compared: {why}", uri(name))));
                }
                Some(there) if !there.holds(*size, crc32c) => {
                    let is = there.content();
                    let text = format!("{} has {is}, not {size} with {crc32c}", uri(name));
                    found.push((name, text));
                }
                Some(_) => {}
            }
        }
        let is_expected =
            |name: &String| self.objects.binary_search_by(|object| object.name.cmp(name)).is_ok();
        for name in there.iter().map(|object| &object.name) {
            if name.starts_with(&self.model_prefix) && !is_expected(name) {
                found.push((name, format!("{} is not part of the model", uri(name))));
            }
        }
        found.sort();
        found.into_iter().map(|(_, text)| text).collect()
    }
}

fn look_at_image(credentials: Arc<Credentials>, uri: &str) -> Result<Option<String>, Failure> {
    let reference: Reference = uri.parse().map_err(oci::Error::from)?;
    let registry = images::registry(&reference.host, credentials, Access::Read);
    match registry.resolve(&reference, &Platform::linux_amd64()) {
        Ok(_) => Ok(None),
        Err(error) if error.status() == Some(404) => Ok(Some(format!("image '{uri}' is missing"))),
        Err(error) => {
            Err(Failure::from(error).context(format!("cannot look at the image '{uri}'")))
        }
    }
}

#[cfg(test)]
mod tests {
    use gcp::storage::ObjectMeta;

    use super::*;

    #[test]
    fn missing_other_and_too_much() {
        let expected = Expected {
            bucket: "b".into(),
            prefix: "r/v1/".into(),
            model_prefix: "r/v1/model/".into(),
            objects: ["r/v1/model/a", "r/v1/model/b", "r/v1/x.tar.gz"]
                .map(|name| Object::new(name.to_owned(), 1, "AAAAAA=="))
                .into(),
        };
        let object = |name: &str, size| ObjectMeta {
            name: name.into(),
            size,
            crc32c: "AAAAAA==".parse().ok(),
            generation: 1,
            created: None,
        };
        let whole = [object("r/v1/model/a", 1), object("r/v1/model/b", 1)];
        let mut there = whole.to_vec();
        there.extend([object("r/v1/x.tar.gz", 1), object("r/v1/context.tar.gz", 5)]);
        assert_eq!(
            expected.differences(&there.clone().into()),
            [""; 0],
            "what lies beside the model may"
        );
        there[0].crc32c = None;
        assert_eq!(
            expected.differences(&there.into()),
            ["'gs://b/r/v1/model/a' cannot be compared: \
              it is encrypted with a key that only its owner has"]
        );
        let there = vec![object("r/v1/model/b", 2), object("r/v1/model/c", 1), whole[0].clone()];
        assert_eq!(
            expected.differences(&there.into()),
            [
                "'gs://b/r/v1/model/b' has 2 bytes with crc32c AAAAAA==, not 1 with AAAAAA==",
                "'gs://b/r/v1/model/c' is not part of the model",
                "'gs://b/r/v1/x.tar.gz' is missing",
            ]
        );
    }
}
