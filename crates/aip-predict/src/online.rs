//! Ask, and have the answer at once.

use std::fs::File;
use std::io::{IsTerminal, Read};

use aip::{Options, Place, VersionOptions};
use deployment::Deployment;
use serde::Serialize;
use serde_json::{Map, Value};
use stage::{Failure, Output, Process};

use crate::ask::Asking;
use crate::format::{Format, OutputFormat};
use crate::instances;
use crate::oracle::Oracle;
use crate::request::Template;
use crate::vertex::{self, Manner};

/// Serialised, it says which were given.
#[derive(Debug, clap::Args, Serialize)]
#[group(skip)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Args {
    /// Instances to predict; - is stdin
    #[arg(long, value_name = "FILE", required = true)]
    instances: Option<String>,

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
    #[serde(skip)]
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Instances in a request, at most [default: as many as fit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_instances: Option<u32>,

    /// Ask the model's default version, or on Vertex AI whichever version the
    /// traffic goes to, whatever version is set
    #[arg(long, conflicts_with = "version_name")]
    default_version: bool,

    /// Have the container get the request as it is, and its answer come back
    /// so: whole numbers stay exact. Vertex AI only
    #[arg(long, conflicts_with = "explain")]
    raw: bool,

    /// Ask for explanations as well, of a model that has them. Vertex AI only
    #[arg(long)]
    explain: bool,

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
    // clap requires it.
    let file = args.instances.as_deref().unwrap_or("-");
    let mut document = args.document(process, options, file)?;
    let place = options.place(&mut document.spec)?;
    // In a pipeline, the version that was just deployed is meant.
    let version = if args.default_version { None } else { version.resolve(&mut document.spec)? };
    let format = Format::of(args.format, file);
    let from = match file {
        "-" => "stdin".to_owned(),
        file => format!("'{file}'"),
    };
    let content = open(process, file)?;
    let signature = document.stages.fetch.as_ref().and_then(|fetch| fetch.signature.as_ref());
    let mut instances = instances::read(content, format, signature, &from)?;
    let oracle = args.oracle(place, version.as_deref(), &document, &mut instances.beside)?;
    let most = args.max_instances.and_then(|most| usize::try_from(most).ok());
    let template = Template::new(args.parameters.as_ref(), oracle.limit, most);
    let asking = Asking {
        oracle: &oracle,
        jobs: usize::from(args.jobs),
        dry: document.spec.dry_run,
        process,
    };
    let output = args.output_format.unwrap_or_else(|| OutputFormat::of(format));
    asking.ask(&template, instances, output)
}

impl Args {
    fn oracle(
        &self,
        place: Place,
        version: Option<&str>,
        document: &Deployment,
        beside: &mut Map<String, Value>,
    ) -> Result<Oracle, Failure> {
        match place {
            Place::AiPlatform(place) => {
                let flags = [("raw", self.raw), ("explain", self.explain)];
                let given = flags.into_iter().filter(|(_, given)| *given);
                let given: Vec<_> = given.map(|(name, _)| name.to_owned()).collect();
                aip::refuse_flags(deployment::Target::AiPlatform, &given)?;
                let name = match version {
                    Some(version) => place.version_name(version),
                    None => place.model_name(),
                };
                Ok(Oracle::ai_platform(place.service, name))
            }
            Place::Vertex(place) => {
                let manner = match (self.raw, self.explain) {
                    (true, _) => Manner::Raw,
                    (_, true) => Manner::Explain,
                    _ => Manner::Predict,
                };
                if document.spec.dry_run {
                    return Ok(vertex::dry(place, manner));
                }
                vertex::oracle(&place, version, manner, document, beside)
            }
        }
    }

    /// From `--document`; else from stdin, unless that holds the instances or
    /// the flags already say which model is meant.
    fn document(
        &self,
        process: &Process,
        options: &Options,
        file: &str,
    ) -> Result<Deployment, Failure> {
        if file == "-" && self.document.as_deref() == Some("-") {
            return Err(Failure::usage("the instances and the document cannot both be stdin")
                .hint("give one of them as a file"));
        }
        match &self.document {
            Some(_) => process.document_or_default(self.document.as_deref()),
            None if file == "-" || options.model.is_some() => process.document_or_default(None),
            None => process.read_document(),
        }
    }
}

fn open<'a>(process: &'a Process, file: &str) -> Result<Box<dyn Read + 'a>, Failure> {
    if file != "-" {
        let file = File::open(file)
            .map_err(|error| Failure::failed(format!("cannot open '{file}'")).cause(&error))?;
        return Ok(Box::new(file));
    }
    if std::io::stdin().is_terminal() {
        log::info!("reading instances from the terminal; end them with Ctrl-D");
    }
    Ok(Box::new(process.stdin()))
}

pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}
