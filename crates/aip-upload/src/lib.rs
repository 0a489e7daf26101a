//! aip-upload: the bundle and the model's files into the bucket, the image into
//! its registry.

mod image;
mod plan;
mod send;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use deployment::{Deployment, Object, PushedImage, Upload};
use gcp::storage::Storage;
use gcp::{Credentials, storage_endpoint};
use log::info;
use serde_json::json;
use stage::{Failure, Output, Process, settings};

use image::{Done, ImageOptions, Job};
use plan::Plan;

const STAGE: &str = "upload";

/// Put the bundle and the model's files in the bucket, and the image in its
/// registry, verified
///
/// Reads a Deployment on stdin and writes it on stdout with `stages.upload`
/// filled in. What is in the bucket already, with the same content, is not sent
/// again. Every write names the generation it replaces and the CRC-32C it must
/// have, so that nobody's work is overwritten and no broken file goes live.
///
/// For Vertex AI, the image is pushed from the bundle's layout, layer by layer
/// and only what the registry lacks, or built by Cloud Build; it is known by its
/// digest from then on. Where the image holds the model, no bucket is needed.
#[derive(Debug, Parser)]
#[command(
    name = "aip-upload",
    version,
    after_help = "\
Examples:
  aip-upload --bucket acme-models <2-bundle.json >3-upload.json
  mlf-fetch models:/iris@champion | aip-bundle | aip-upload --bucket acme-models --route iris
  aip-upload --image-repository europe-west1-docker.pkg.dev/acme/models <2-bundle.json
  aip-upload --dry-run <2-bundle.json"
)]
pub struct Args {
    /// Cloud Storage bucket, which must exist [env: production_bucket]
    #[arg(long)]
    bucket: Option<String>,

    /// Prefix in the bucket for all artifacts of the model; without it, the
    /// model's name [env: production_route]
    #[arg(long, value_name = "PREFIX")]
    route: Option<String>,

    /// Remove objects below the model's prefix that are not part of it; without
    /// this, they are an error, for the service would serve them as well
    #[arg(long)]
    delete_extra: bool,

    /// Files that are sent at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// File with an access token, instead of the credentials that are found
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,

    #[command(flatten)]
    image: ImageOptions,
}

pub fn main() -> ExitCode {
    stage::run(work)
}

fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    let mut document = process.read_document()?;
    let plan = plan(args, &mut document)?;
    let credentials = Arc::new(Credentials::new(args.access_token_file.clone()));
    let jobs = usize::from(args.jobs);
    let image = Job::new(&args.image, &mut document, credentials.clone(), jobs)?;
    document.forget_results(STAGE);
    let storage = Storage::new(storage_endpoint(), credentials);
    let before = document.stages.upload.take().unwrap_or_default();
    let (mut upload, image) = if document.spec.dry_run {
        let image = image.map(|job| job.dry(process, plan.as_ref())).transpose()?;
        (plan.map(|plan| dry(process, &storage, &plan)), image)
    } else {
        done(process, args, &storage, plan.as_ref(), image.as_ref())?
    };
    let upload = upload.get_or_insert_default();
    upload.objects = with_their_extra(std::mem::take(&mut upload.objects), &before.objects);
    upload.extra = before.extra;
    if let Some(image) = image {
        let extra = before.image.map(|image| image.extra).unwrap_or_default();
        upload.image = Some(PushedImage { extra, ..image.image });
        upload.notes.extend(image.notes);
        let uri = &upload.image.as_ref().map(|image| image.uri.clone()).unwrap_or_default();
        let remark = image::remark(&document, uri);
        for (message, hint) in image.warnings.into_iter().chain(remark) {
            warn(&mut document, &message, hint);
        }
    }
    document.stages.upload = Some(std::mem::take(upload));
    Ok(document.into())
}

/// What goes to the bucket: everything, but where the image holds the model and
/// no bucket is named.
fn plan(args: &Args, document: &mut Deployment) -> Result<Option<Plan>, Failure> {
    let bundle = document.stages.bundle.as_ref();
    let needed = image::needs_bucket(bundle.and_then(|bundle| bundle.image.as_ref()));
    let spec = &mut document.spec;
    if settings::bucket(args.bucket.clone(), &mut spec.bucket)?.is_none() {
        return if needed { Err(settings::BUCKET.missing()) } else { Ok(None) };
    }
    settings::ROUTE.resolve(args.route.clone(), &mut spec.route, None)?;
    Plan::make(document).map(Some)
}

/// The image stands between the look at the bucket and the files: what refuses
/// the upload shows before a build of minutes, and a model is not sent in vain.
fn done(
    process: &Process,
    args: &Args,
    storage: &Storage,
    plan: Option<&Plan>,
    image: Option<&Job>,
) -> Result<(Option<Upload>, Option<Done>), Failure> {
    let Some(plan) = plan else {
        return Ok((None, image.map(|job| job.run(process, None)).transpose()?));
    };
    plan.check()?;
    let there = send::listed(storage, plan)?;
    send::extra(storage, plan, &there, args.delete_extra)?;
    let image = image.map(|job| job.run(process, Some((storage, plan, &there)))).transpose()?;
    let sent = send::all(process, storage, plan, &there, usize::from(args.jobs))?;
    info!(
        "{} of {} objects sent ({} bytes) to '{}'",
        sent.count,
        sent.objects.len(),
        sent.bytes,
        plan.prefix()
    );
    let mut upload = Upload { objects: sent.objects, ..plan.record() };
    upload.notes.insert("objectsSent".into(), json!(sent.count));
    upload.notes.insert("bytesSent".into(), json!(sent.bytes));
    Ok((Some(upload), image))
}

fn warn(document: &mut Deployment, message: &str, hint: Option<String>) {
    match &hint {
        Some(hint) => log::warn!("{message}\nhint: {hint}"),
        None => log::warn!("{message}"),
    }
    document.warn(STAGE, message, hint);
}

/// What someone noted at an object stays with it.
fn with_their_extra(mut objects: Vec<Object>, before: &[Object]) -> Vec<Object> {
    let noted = before.iter().filter(|object| !object.extra.is_empty());
    let noted: HashMap<_, _> = noted.map(|object| (&object.uri, &object.extra)).collect();
    for object in &mut objects {
        if let Some(extra) = noted.get(&object.uri) {
            object.extra.clone_from(extra);
        }
    }
    objects
}

fn dry(process: &Process, storage: &Storage, plan: &Plan) -> Upload {
    for item in &plan.items {
        let request = storage.describe_insert(&item.insert(0));
        process.would(&format!("{request} ({} bytes), unless it is there", item.size));
    }
    Upload { objects: plan.items.iter().map(|item| item.object(None)).collect(), ..plan.record() }
}
