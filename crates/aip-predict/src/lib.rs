//! aip-predict: ask a deployed version.

mod ask;
mod format;
mod instances;
mod request;
mod table;

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use clap::Parser;
use deployment::Deployment;
use gcp::ml::REQUEST_LIMIT;
use serde_json::{Map, Value};
use stage::{Failure, Output, Process};

use ask::Asking;
use format::{Format, OutputFormat};
use request::Template;

/// Ask a deployed version for predictions
///
/// Takes the names from a Deployment on stdin, or, with --model or with
/// instances on stdin, from flags and environment alone. Prints the service's
/// answer: one JSON object, or one prediction a line for instances that come
/// one a line; those are streamed, and never held as a whole.
///
/// Requests are split at the service's limit of 1.5 MB, sent a few at a time,
/// and their answers joined in order.
#[derive(Debug, Parser)]
#[command(
    name = "aip-predict",
    version,
    after_help = "\
Examples:
  aip-predict --instances iris.json <5-version.json
  aip-predict --instances iris.csv --document 5-version.json | jq .predictions
  aip-predict --project acme --model iris --version-name v2 --instances rows.jsonl >answers.jsonl
  echo '[[5.1, 3.5, 1.4, 0.2]]' | aip-predict --project acme --model iris --instances -"
)]
pub struct Args {
    /// Instances to predict; - is stdin
    #[arg(long, value_name = "FILE")]
    instances: String,

    /// Form of the instances [default: by the file's name, json for stdin]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Form of the answer [default: jsonl for jsonl, else json]
    #[arg(long, value_name = "FORMAT")]
    output_format: Option<OutputFormat>,

    /// Parameters for the predictor, a JSON object; a model that MLflow logged
    /// gets them as its params
    #[arg(long, value_name = "JSON", value_parser = object)]
    parameters: Option<Map<String, Value>>,

    /// Requests under way at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Ask the model's default version, whatever version is set
    #[arg(long, conflicts_with = "version_name")]
    default_version: bool,

    /// Take the names from this document; - is stdin
    #[arg(long, value_name = "FILE")]
    document: Option<String>,

    #[command(flatten)]
    place: aip::Options,
    #[command(flatten)]
    version: aip::VersionOptions,
}

pub fn main() -> ExitCode {
    stage::run(work)
}

fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    let mut document = args.document(process)?;
    let place = args.place.place(&mut document.spec)?;
    let place = place.ai_platform("online prediction by this tool")?;
    // In a pipeline, the version that was just deployed is meant.
    let version =
        if args.default_version { None } else { args.version.resolve(&mut document.spec)? };
    let name = match &version {
        Some(version) => place.version_name(version),
        None => place.model_name(),
    };
    let format = Format::of(args.format, &args.instances);
    let template = Template::new(args.parameters.as_ref(), REQUEST_LIMIT);
    let asking = Asking {
        service: &place.service,
        name: &name,
        jobs: usize::from(args.jobs),
        dry: document.spec.dry_run,
        process,
    };
    let content = args.open(process)?;
    let signature = document.stages.fetch.as_ref().and_then(|fetch| fetch.signature.as_ref());
    let from = match args.instances.as_str() {
        "-" => "stdin".to_owned(),
        file => format!("'{file}'"),
    };
    let instances = instances::read(content, format, signature, &from)?;
    let output = args.output_format.unwrap_or_else(|| OutputFormat::of(format));
    asking.ask(&template, instances, output)
}

impl Args {
    /// From `--document`; else from stdin, unless that holds the instances or
    /// the flags already say which model is meant.
    fn document(&self, process: &Process) -> Result<Deployment, Failure> {
        if self.instances == "-" && self.document.as_deref() == Some("-") {
            return Err(Failure::usage("the instances and the document cannot both be stdin")
                .hint("give one of them as a file"));
        }
        match &self.document {
            Some(_) => process.document_or_default(self.document.as_deref()),
            None if self.instances == "-" || self.place.model.is_some() => {
                process.document_or_default(None)
            }
            None => process.read_document(),
        }
    }

    fn open<'a>(&self, process: &'a Process) -> Result<Box<dyn Read + 'a>, Failure> {
        if self.instances != "-" {
            let file = File::open(&self.instances).map_err(|error| {
                Failure::failed(format!("cannot open '{}'", self.instances)).cause(&error)
            })?;
            return Ok(Box::new(file));
        }
        if std::io::stdin().is_terminal() {
            log::info!("reading instances from the terminal; end them with Ctrl-D");
        }
        Ok(Box::new(process.stdin()))
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}
