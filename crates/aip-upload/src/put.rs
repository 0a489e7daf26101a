//! The filter: what a document describes, into the bucket and the registry.

use std::collections::HashMap;
use std::sync::Arc;

use deployment::{Deployment, Object, PushedImage, Upload};
use gcp::Credentials;
use gcp::storage::Storage;
use log::info;
use serde_json::json;
use stage::{Failure, Output, Process, settings};

use crate::Args;
use crate::claim::{self, Claim, Mark};
use crate::image::{self, Done, Job};
use crate::item::Source;
use crate::plan::Plan;
use crate::send::Sent;
use crate::there::There;
use crate::{send, state};

const STAGE: &str = "upload";

pub(crate) fn run(process: &Process, args: &Args) -> Result<Output, Failure> {
    if let Some(rate) = args.limit_rate {
        transport::limit_rate(rate);
    }
    let mut document = process.read_document()?;
    let goes_to_bucket = goes_to_bucket(args, &mut document)?;
    document.forget_results(STAGE);
    let mut before = document.stages.upload.take().unwrap_or_default();
    // Of a hundred thousand objects hardly any has a note.
    before.objects.retain(|object| !object.extra.is_empty());
    before.objects.shrink_to_fit();
    let Deployment { spec, stages, .. } = &mut document;
    let plan = goes_to_bucket.then(|| Plan::make(spec, stages)).transpose()?;
    let credentials = Arc::new(Credentials::new(args.access_token_file.clone()));
    let jobs = usize::from(args.jobs);
    let bundle = stages.bundle.as_ref();
    let image = Job::new(&args.image, spec, bundle, credentials.clone(), jobs)?;
    let storage = args.headers.storage(credentials)?;
    let (mut upload, image) = if spec.dry_run {
        let storage = storage.asking_once();
        if let Some(plan) = &plan {
            look(args, &storage, plan)?;
        }
        let image = image.map(|job| job.dry(process, plan.as_ref())).transpose()?;
        (plan.map(|plan| dry(process, &storage, &plan)), image)
    } else {
        let state = state::directory(spec);
        let job = Put { process, args, storage: &storage, state: state.as_deref() };
        job.done(plan.as_ref(), image.as_ref())?
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
            stage::warn(&mut document, STAGE, message, hint);
        }
    }
    document.stages.upload = Some(std::mem::take(upload));
    Ok(document.into())
}

/// Whether there is a bucket, which is needed unless the image holds the model;
/// settles which, and the place in it.
fn goes_to_bucket(args: &Args, document: &mut Deployment) -> Result<bool, Failure> {
    let bundle = document.stages.bundle.as_ref();
    let needed = image::needs_bucket(bundle.and_then(|bundle| bundle.image.as_ref()));
    let spec = &mut document.spec;
    if settings::bucket(args.bucket.clone(), &mut spec.bucket)?.is_none() {
        return if needed { Err(settings::BUCKET.missing()) } else { Ok(false) };
    }
    settings::route(args.route.clone(), &mut spec.route, None)?;
    Ok(true)
}

struct Put<'a> {
    process: &'a Process,
    args: &'a Args,
    storage: &'a Storage,
    /// Where uploads under way are noted.
    state: Option<&'a std::path::Path>,
}

impl Put<'_> {
    /// The image stands between the look at the bucket and the files: what refuses
    /// the upload shows before a build of minutes, and a model is not sent in vain.
    fn done(
        &self,
        plan: Option<&Plan>,
        image: Option<&Job>,
    ) -> Result<(Option<Upload>, Option<Done>), Failure> {
        let Self { process, args, storage, state } = *self;
        let Some(plan) = plan else {
            return Ok((None, image.map(|job| job.run(process, None)).transpose()?));
        };
        let _interrupt = process.on_interrupt(
            format!("interrupted while writing to '{}'", plan.prefix()),
            "run the same command again: it goes on where it stopped",
        )?;
        plan.check()?;
        let there = There::listed(storage, plan)?;
        claim::check(plan, &there, args.overwrite)?;
        let extra = send::extra(plan, &there, args.delete_extra)?;
        let image = image.map(|job| job.run(process, Some((storage, plan, &there)))).transpose()?;
        let claim = Claim::take(storage, plan, &there)?;
        send::remove(storage, plan, &extra)?;
        let journal = state.and_then(|state| state::journal(state, &plan.prefix()));
        let sender = send::Sender {
            process,
            storage,
            plan,
            there: &there,
            journal: journal.as_ref(),
            in_parts: args.parallel_composite,
        };
        let sent = sender.all(usize::from(args.jobs))?;
        if let Some(journal) = journal {
            journal.close();
        }
        // Of a hundred thousand files this is much, and so is their record.
        drop(there);
        claim.map(Claim::release).transpose()?;
        Ok((Some(record(plan, sent)), image))
    }
}

fn record(plan: &Plan, sent: Sent) -> Upload {
    let all = plan.items.len();
    // There are two at least: the package and the model.
    info!("{} of {all} objects sent ({} bytes) to '{}'", sent.count, sent.bytes, plan.prefix());
    if sent.spared > 0 {
        info!("{} bytes of them were there already, from a run that broke off", sent.spared);
    }
    if sent.copied > 0 {
        info!("{} of {all} objects copied within Cloud Storage", sent.copied);
    }
    let items = plan.items.iter().zip(sent.generations);
    let objects = items.map(|(item, generation)| item.object(generation)).collect();
    let mut upload = Upload { objects, ..plan.record() };
    upload.notes.insert("objectsSent".into(), json!(sent.count));
    upload.notes.insert("bytesSent".into(), json!(sent.bytes));
    if sent.copied > 0 {
        upload.notes.insert("objectsCopied".into(), json!(sent.copied));
    }
    upload
}

/// What someone noted at an object stays with it.
fn with_their_extra(mut objects: Vec<Object>, before: &[Object]) -> Vec<Object> {
    let noted: HashMap<_, _> = before.iter().map(|object| (&object.uri, &object.extra)).collect();
    for object in &mut objects {
        if let Some(extra) = noted.get(&object.uri) {
            object.extra.clone_from(extra);
        }
    }
    objects
}

/// A dry run asks what would refuse the upload, once there is a bundle to compare.
fn look(args: &Args, storage: &Storage, plan: &Plan) -> Result<(), Failure> {
    if plan.check().is_err() {
        return Ok(());
    }
    match There::listed(storage, plan) {
        Ok(there) => {
            claim::check(plan, &there, args.overwrite)?;
            send::extra(plan, &there, args.delete_extra).map(drop)
        }
        Err(failure) => {
            info!("what lies at '{}' is not known: {failure}", plan.prefix());
            Ok(())
        }
    }
}

fn dry(process: &Process, storage: &Storage, plan: &Plan) -> Upload {
    let mark = Mark::of(plan);
    let insert = mark.insert(0);
    process.would(&format!("{}, unless all is there", storage.describe_insert(&insert)));
    for item in &plan.items {
        let name = item.name();
        let request = match item.source() {
            Source::File(path) => storage.describe_insert(&item.insert(&name, &path, 0)),
            Source::Object { uri, generation } => {
                storage.describe_rewrite(&item.rewrite(&name, uri, generation, 0))
            }
        };
        process.would(&format!("{request} ({} bytes), unless it is there", item.size()));
    }
    let delete = storage.describe_delete(insert.bucket, insert.name);
    process.would(&format!("{delete}, unless all is there"));
    let objects = plan.items.iter().map(|item| item.object(None)).collect();
    Upload { objects, ..plan.record() }
}
