//! Predict what lies in the bucket, by a job of the service.

mod job;
mod object;
mod results;

use std::path::PathBuf;
use std::time::Duration;

use aip::{Options, Place, VersionOptions};
use deployment::{Deployment, Target};
use serde_json::{Map, Value};
use stage::{Failure, Output, Process};

use crate::online::object;

/// Predict what lies in the bucket: for files that outgrow one machine
///
/// Google's engine starts the version on machines of its own, beside any
/// endpoint, and writes predictions to a new directory below --output. Prints
/// the job's name, its state, the directory and how many instances were
/// predicted, as JSON. Vertex AI only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-predict batch --input gs://acme/rows.jsonl --output gs://acme/answers <5-version.json
  aip-predict batch --input 'gs://acme/rows/*.csv' --output gs://acme/answers --max-replicas 4 \\
      --project acme --model iris --version-name v3 --no-wait
  aip-predict batch --project acme --job 4567 --download answers/
  aip-predict batch --project acme --job 4567 --output-file - | jq .prediction")]
pub(crate) struct Args {
    /// Instances to predict, gs://…; repeatable, and wildcards are allowed
    #[arg(long = "input", value_name = "URI", required_unless_present = "job")]
    inputs: Vec<String>,

    /// Where the results go, gs://…: into a new directory below it
    #[arg(long, value_name = "URI", required_unless_present = "job")]
    output: Option<String>,

    /// Form of the instances: jsonl, csv, tf-record, tf-record-gzip or
    /// file-list [default: by the name, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,

    /// Form of the predictions: jsonl or csv
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    output_format: String,

    /// Machine that predicts [default: the one that serves the version, by the
    /// document, else n1-standard-2]
    #[arg(long, value_name = "TYPE")]
    machine_type: Option<String>,

    /// Machines at the start
    #[arg(long, value_name = "N")]
    min_replicas: Option<u32>,

    /// Machines at most
    #[arg(long, value_name = "N")]
    max_replicas: Option<u32>,

    /// Instances that a machine gets at a time [default: the service's, 64]
    #[arg(long, value_name = "N")]
    batch_size: Option<u32>,

    /// Parameters for the predictor, a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    parameters: Option<Map<String, Value>>,

    /// Account as which the container runs
    #[arg(long, value_name = "EMAIL")]
    service_account: Option<String>,

    /// A label of the job; repeatable. The lineage is added by itself
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = aip::parse_label)]
    labels: Vec<(String, String)>,

    /// Name of the job for people [default: model, version and time]
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,

    /// Take up a job that is there, by its name or its number
    #[arg(long, value_name = "NAME", conflicts_with_all = ["inputs", "output"])]
    job: Option<String>,

    /// Do not wait; --job takes it up, from any machine
    #[arg(long, conflicts_with_all = ["download", "output_file"])]
    no_wait: bool,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 86400)]
    timeout: u64,

    /// Bring all files of the results to this directory
    #[arg(long, value_name = "DIR")]
    download: Option<PathBuf>,

    /// Bring the predictions into one file, in no order; - is stdout, and then
    /// nothing else goes there
    #[arg(long, value_name = "FILE", conflicts_with = "download")]
    output_file: Option<String>,

    /// Take the names from this document; - is stdin
    #[arg(long, value_name = "FILE")]
    document: Option<String>,
}

pub(crate) fn run(
    process: &Process,
    options: &Options,
    version: &VersionOptions,
    args: &Args,
) -> Result<Output, Failure> {
    args.check()?;
    let mut document = args.document(process, options)?;
    if let Some(name) = &args.job {
        job::settle_on(name, &mut document.spec);
    }
    let place = match args.job {
        Some(_) => options.service(&mut document.spec)?,
        None => options.place(&mut document.spec)?,
    };
    let Place::Vertex(place) = place else {
        let message = format!("target '{}' has no batch prediction here", Target::AiPlatform);
        return Err(Failure::usage(message).hint(
            "give --target vertex; or aip-predict --instances FILE, which sends any length",
        ));
    };
    let name = if let Some(name) = &args.job {
        job::full_name(&place, name)
    } else {
        let version = version.resolve(&mut document.spec)?;
        let job = job::resource(&place, version.as_deref(), &document, args);
        if document.spec.dry_run {
            return Ok(job::dry(process, &place, &job));
        }
        job::create(process, &place, &job)?
    };
    let resume = format!(
        "take it up: aip-predict batch --target vertex --project {} --job {name}",
        place.project
    );
    if args.no_wait {
        log::info!("{resume}");
        let found = place.service.get(&name).map_err(|error| job::lost(error, &name))?;
        return Ok(Output::Json(results::summary(&name, &found)));
    }
    let timeout = Duration::from_secs(args.timeout);
    let found = job::wait(process, &place, &name, resume, timeout)?;
    results::deliver(process, options, args, &name, &found)
}

impl Args {
    /// What can be known to be wrong before anything is asked.
    fn check(&self) -> Result<(), Failure> {
        for uri in self.inputs.iter().chain(&self.output) {
            if !uri.starts_with("gs://") {
                return Err(Failure::usage(format!("'{uri}' is not in Cloud Storage")).hint(
                    "the service reads and writes gs:// alone: gcloud storage cp FILE gs://BUCKET/",
                ));
            }
        }
        Ok(())
    }

    /// From `--document`; else from stdin, unless the flags already say which
    /// model or which job is meant.
    fn document(&self, process: &Process, options: &Options) -> Result<Deployment, Failure> {
        if self.document.is_none() && self.job.is_none() && options.model.is_none() {
            return process.read_document();
        }
        process.document_or_default(self.document.as_deref())
    }
}
