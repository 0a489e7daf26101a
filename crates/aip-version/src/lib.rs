//! aip-version: what answers predictions.

mod ai_platform;
#[allow(dead_code, reason = "create on Vertex AI is about to use it")]
mod canary;
mod create;
mod default;
mod delete;
mod flags;
mod migrate;
mod query;
mod traffic;
mod vertex;
mod wait;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stage::{Failure, Output, Process};

/// Deploy, wait for, show and remove versions of a model
#[derive(Debug, Parser)]
#[command(
    name = "aip-version",
    version,
    after_help = "\
Examples:
  aip-version create <4-model.json >5-version.json
  aip-version create --no-wait <4-model.json | tee 5-version.json
  aip-version wait <5-version.json
  aip-version set-default --project acme --model iris --version-name v2
  aip-version list --project acme --model iris
  aip-version traffic --project acme --model iris --set v3=10,v2=90"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    place: aip::Options,
    #[command(flatten)]
    version: aip::VersionOptions,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Box<create::Args>),
    Wait(wait::Args),
    Get(query::GetArgs),
    List(query::ListArgs),
    SetDefault(default::Args),
    Delete(delete::Args),
    Traffic(traffic::Args),
}

pub fn main() -> ExitCode {
    stage::run(work)
}

fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    let (place, version) = (&args.place, &args.version);
    match &args.verb {
        Verb::Create(verb) => create::run(process, place, version, verb),
        Verb::Wait(verb) => wait::run(process, place, version, verb),
        Verb::Get(verb) => query::get(process, place, version, verb),
        Verb::List(verb) => query::list(process, place, verb),
        Verb::SetDefault(verb) => default::run(process, place, version, verb),
        Verb::Delete(verb) => delete::run(process, place, version, verb),
        Verb::Traffic(verb) => traffic::run(process, place, version, verb),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        stage::command::<super::Args>().debug_assert();
    }
}
