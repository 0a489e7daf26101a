//! Deploy a version.

use std::time::Duration;

use aip::{Place, Waiting};
use deployment::Deployment;
use gcp::ml;
use log::info;
use serde_json::Value;
use stage::{Failure, Output, Process};

use crate::existing::{self, Existing};
use crate::fields::Fields;
use crate::{default, replace, resource, wait};

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
    args.fields.write_to(&mut document.spec.ai_platform.version);
    document.forget_results(STAGE);
    let job = Job {
        process,
        place: &place,
        version: &version,
        wanted: resource::resource(&document, &version)?,
        timeout: Duration::from_secs(args.timeout),
    };
    if document.spec.dry_run {
        process.would(&place.service.api().describe(&job.request()));
        record(&mut document, &job, false, "DRY_RUN");
        return Ok(document.into());
    }
    let (created, operation) = job.start(&mut document, args.replace)?;
    if args.no_wait {
        record(&mut document, &job, created, "CREATING");
        let stage = document.stages.version.get_or_insert_default();
        stage.operation = operation;
        return Ok(document.into());
    }
    let found = wait::ready(&job.waiting(), operation.as_deref())?;
    finish(&mut document, &job, created, &found, args.set_default)?;
    Ok(document.into())
}

/// What is to be made, and where.
pub(crate) struct Job<'a> {
    pub(crate) process: &'a Process,
    pub(crate) place: &'a Place,
    pub(crate) version: &'a str,
    /// The API's `Version`.
    pub(crate) wanted: Value,
    pub(crate) timeout: Duration,
}

impl Job<'_> {
    pub(crate) fn name(&self) -> String {
        self.place.version_name(self.version)
    }

    pub(crate) fn request(&self) -> gcp::Request {
        ml::create_version(&self.place.model_name(), &self.wanted)
    }

    pub(crate) fn doing(&self) -> String {
        format!("create version '{}' of model '{}'", self.version, self.place.model)
    }
}

impl Job<'_> {
    /// Begins, or finds it begun. Whether this run created it, and by which
    /// operation; without one, the version's own state tells.
    fn start(
        &self,
        document: &mut Deployment,
        replace: bool,
    ) -> Result<(bool, Option<String>), Failure> {
        match self.create() {
            Ok(operation) => Ok((true, Some(operation))),
            // Looked at afterwards: between a question and the create, another
            // run may create it.
            Err(error) if error.status() == Some(409) => match existing::look(self, error)? {
                Existing::Same => Ok((false, None)),
                Existing::Other(found) if replace => {
                    Ok((true, Some(replace::run(self, document, &found)?)))
                }
                Existing::Other(found) => Err(existing::refuse(self, &found)),
            },
            Err(error) => Err(self.refused(error)),
        }
    }

    pub(crate) fn create(&self) -> Result<String, gcp::Error> {
        let operation = self.place.service.call(&self.request())?;
        let name = operation["name"].as_str().unwrap_or_default().to_owned();
        info!("{} is creating '{}'", name, self.name());
        Ok(name)
    }

    pub(crate) fn refused(&self, error: gcp::Error) -> Failure {
        let status = error.status();
        let failure = Failure::from(error).context(format!("cannot {}", self.doing()));
        match status {
            Some(403) => failure.hint(
                "the caller needs ml.versions.create, which roles/ml.developer lacks; \
                    roles/ml.admin has it",
            ),
            Some(404) => failure.hint("run aip-model create first"),
            _ => failure,
        }
    }

    pub(crate) fn waiting(&self) -> wait::Ready<'_> {
        wait::Ready {
            process: self.process,
            place: self.place,
            version: self.version,
            waiting: Waiting {
                doing: self.doing(),
                resume: "run the same command again: it takes the version up where it is".into(),
                timeout: self.timeout,
            },
        }
    }
}

/// What can only be done once the version is there.
fn finish(
    document: &mut Deployment,
    job: &Job,
    created: bool,
    found: &Value,
    set_default: bool,
) -> Result<(), Failure> {
    if let Some(logging) = document.spec.ai_platform.version.get("requestLoggingConfig") {
        log_requests(job, logging)?;
    }
    let found = if set_default && found["isDefault"] != true {
        &default::set(job.place, job.version)?
    } else {
        found
    };
    record(document, job, created, found["state"].as_str().unwrap_or("READY"));
    let stage = document.stages.version.get_or_insert_default();
    stage.is_default = Some(found["isDefault"] == true);
    stage.notes.insert("createTime".into(), found["createTime"].clone());
    info!(
        "version '{}' is ready{}",
        job.name(),
        if stage.is_default == Some(true) { ", and the model's default" } else { "" }
    );
    Ok(())
}

fn log_requests(job: &Job, logging: &Value) -> Result<(), Failure> {
    let body = serde_json::json!({"requestLoggingConfig": logging});
    let request = ml::patch(&job.name(), "requestLoggingConfig", &body);
    let service = &job.place.service;
    let doing = format!("log the requests of version '{}'", job.version);
    let operation = service
        .call(&request)
        .map_err(|error| Failure::from(error).context(format!("cannot {doing}")))?;
    let waiting = Waiting { doing, ..job.waiting().waiting };
    aip::wait_for_operation(job.process, service, &waiting, &operation).map(drop)
}

fn record(document: &mut Deployment, job: &Job, created: bool, state: &str) {
    let record = document.stages.version.get_or_insert_default();
    record.name = job.name();
    record.created = created;
    record.state = state.into();
    record.operation = None;
    record.is_default = None;
    record.notes.clear();
}
