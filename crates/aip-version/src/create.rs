//! Deploy a version.

use std::time::Duration;

use aip::Place;
use deployment::Deployment;
use serde_json::{Value, json};
use stage::{Failure, Output, Process};

use crate::fields::Fields;
use crate::job::{Job, Started};
use crate::{default, finish, resource};

pub(crate) const STAGE: &str = "version";

/// Deploy a version and wait until it answers
///
/// Reads a Deployment on stdin and writes it on stdout with `stages.version`
/// filled in. A version of this name that was made of the same bundle is taken
/// up where it is, so that the command can be run again whatever happened.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version create <4-model.json >5-version.json
  aip-version create --version-name v2 --set-default <4-model.json
  aip-version create --no-wait <4-model.json >5-version.json; aip-version wait <5-version.json
  aip-version create --replace --machine-type mls1-c4-m2 <4-model.json")]
pub(crate) struct Args {
    /// Do not wait; `aip-version wait` takes it up, from any machine
    #[arg(long)]
    no_wait: bool,

    /// Where a version of this name was made of something else, delete it and
    /// create it anew. A default version hands over to another one meanwhile,
    /// if the model has one, and is the default again afterwards
    #[arg(long, conflicts_with = "no_wait")]
    replace: bool,

    /// Make it the version that answers when a request names none
    #[arg(long, conflicts_with = "no_wait")]
    set_default: bool,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,

    #[command(flatten)]
    fields: Fields,
}

pub(crate) fn run(
    process: &Process,
    options: &aip::Options,
    version: &aip::VersionOptions,
    args: &Args,
) -> Result<Output, Failure> {
    let mut document = process.read_document()?;
    document.modelled()?;
    let place = options.place(&mut document.spec)?;
    let version = version.require(&mut document.spec)?;
    let fields = &mut document.spec.ai_platform.version;
    aip::check_objects("version", fields, &["labels", "autoScaling", "manualScaling"])?;
    args.fields.write_to(fields);
    document.forget_results(STAGE);
    let job = Job {
        process,
        place: &place,
        version: &version,
        wanted: resource::resource(&document, &version)?,
        timeout: Duration::from_secs(args.timeout),
    };
    if document.spec.dry_run {
        args.show(&job, &document);
        finish::record(&mut document, job.name(), false, &json!({"state": "DRY_RUN"}));
        return Ok(document.into());
    }
    let started = job.start(&mut document, args.replace)?;
    if args.no_wait {
        record_running(&mut document, &job, &started);
        return Ok(document.into());
    }
    let mut found = job.ready(started.operation.as_deref())?;
    finish::log_requests(process, &place, &version, &document, &found)?;
    if args.set_default && found["isDefault"] != true {
        found = default::set(&place, &version)?;
    }
    finish::record(&mut document, job.name(), started.created, &found);
    finish::announce(&job.name(), &found);
    Ok(document.into())
}

impl Args {
    /// The requests of a dry run.
    fn show(&self, job: &Job, document: &Deployment) {
        let Place { service, .. } = job.place;
        let fields = &document.spec.ai_platform.version;
        let logging = finish::log_requests_by(job.place, job.version, fields);
        let default = self.set_default.then(|| gcp::ml::set_default(&job.name()));
        for request in [Some(job.request()), logging, default].into_iter().flatten() {
            job.process.would(&service.api().describe(&request));
        }
    }
}

/// It may be on its way, or have been there before.
fn record_running(document: &mut Deployment, job: &Job, started: &Started) {
    let creating: Value = json!({"state": "CREATING"});
    let found = started.found.as_ref().unwrap_or(&creating);
    finish::record(document, job.name(), started.created, found);
    if let Some(stage) = &mut document.stages.version {
        stage.operation.clone_from(&started.operation);
    }
}
