//! aip-upload: the bundle and the model's files into the bucket.

mod plan;
mod send;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use deployment::{Deployment, Object, Upload};
use gcp::storage::Storage;
use gcp::{Credentials, storage_endpoint};
use log::info;
use serde_json::json;
use stage::{Failure, Output, Process, settings};

use plan::Plan;

const STAGE: &str = "upload";

/// Put the bundle and the model's files in the bucket, verified
///
/// Reads a Deployment on stdin and writes it on stdout with `stages.upload`
/// filled in. What is in the bucket already, with the same content, is not sent
/// again. Every write names the generation it replaces and the CRC-32C it must
/// have, so that nobody's work is overwritten and no broken file goes live.
#[derive(Debug, Parser)]
#[command(
    name = "aip-upload",
    version,
    after_help = "\
Examples:
  aip-upload --bucket acme-models <2-bundle.json >3-upload.json
  mlf-fetch models:/iris@champion | aip-bundle | aip-upload --bucket acme-models --route iris
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
}

pub fn main() -> ExitCode {
    stage::run(work)
}

fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    let mut document = process.read_document()?;
    let spec = &mut document.spec;
    settings::bucket(args.bucket.clone(), &mut spec.bucket)?
        .ok_or_else(|| settings::BUCKET.missing())?;
    settings::ROUTE.resolve(args.route.clone(), &mut spec.route, None)?;

    let plan = Plan::make(&document)?;
    document.forget_results(STAGE);
    let credentials = Arc::new(Credentials::new(args.access_token_file.clone()));
    let storage = Storage::new(storage_endpoint(), credentials);
    if document.spec.dry_run {
        return Ok(dry(process, &storage, document, &plan).into());
    }
    plan.check()?;
    let there = send::listed(&storage, &plan)?;
    send::extra(&storage, &plan, &there, args.delete_extra)?;
    let sent = send::all(process, &storage, &plan, &there, usize::from(args.jobs))?;

    info!(
        "{} of {} objects sent ({} bytes) to '{}'",
        sent.count,
        sent.objects.len(),
        sent.bytes,
        plan.prefix()
    );
    let upload = document.stages.upload.get_or_insert_default();
    let objects = with_their_extra(sent.objects, &upload.objects);
    *upload = Upload { objects, ..plan.record(std::mem::take(&mut upload.extra)) };
    upload.notes.insert("objectsSent".into(), json!(sent.count));
    upload.notes.insert("bytesSent".into(), json!(sent.bytes));
    Ok(document.into())
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

fn dry(process: &Process, storage: &Storage, mut document: Deployment, plan: &Plan) -> Deployment {
    for item in &plan.items {
        let request = storage.describe_insert(&item.insert(0));
        process.would(&format!("{request} ({} bytes), unless it is there", item.size));
    }
    let before = document.stages.upload.take().unwrap_or_default();
    let objects = plan.items.iter().map(|item| item.object(None)).collect();
    let objects = with_their_extra(objects, &before.objects);
    document.stages.upload = Some(Upload { objects, ..plan.record(before.extra) });
    document
}
