//! aip-predict: ask a deployed version.

mod answer;
mod ask;
mod batch;
mod digits;
mod explain;
mod format;
mod instances;
mod online;
mod oracle;
mod request;
mod table;
mod vertex;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stage::{Failure, Output, Process};

/// Ask a deployed version for predictions
///
/// Takes the names from a Deployment on stdin, or, with --model or with
/// instances on stdin, from flags and environment alone. Prints the service's
/// answer: one JSON object, or one prediction a line for instances that come
/// one a line; those are streamed, and never held as a whole.
///
/// Requests are split at the service's limit (1.5 MB; 10 MB for a Vertex AI
/// endpoint with a domain of its own), sent a few at a time, and their answers
/// joined in order.
#[derive(Debug, Parser)]
#[command(
    name = "aip-predict",
    version,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  aip-predict --instances iris.json <5-version.json
  aip-predict --instances iris.csv --document 5-version.json | jq .predictions
  aip-predict --project acme --model iris --version-name v2 --instances rows.jsonl >answers.jsonl
  echo '[[5.1, 3.5, 1.4, 0.2]]' | aip-predict --project acme --model iris --instances -
  aip-predict batch --input gs://acme/rows.jsonl --output gs://acme/answers <5-version.json"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    online: online::Args,
    #[command(flatten)]
    place: aip::Options,
    #[command(flatten)]
    version: aip::VersionOptions,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Batch(Box<batch::Args>),
}

pub fn main() -> ExitCode {
    stage::run(work)
}

fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    match &args.verb {
        Some(Verb::Batch(batch)) => {
            if let Some(flag) = aip::given(&args.online).first() {
                let message = format!("--{flag} stands before 'batch', which does not see it");
                return Err(Failure::usage(message).hint("see aip-predict batch --help"));
            }
            batch::run(process, &args.place, &args.version, batch)
        }
        None => online::run(process, &args.place, &args.version, &args.online),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        stage::command::<super::Args>().debug_assert();
    }
}
