//! aip-model: what versions belong to.

mod ai_platform;
mod create;
mod delete;
mod query;
mod vertex;
mod whoami;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stage::{Failure, Output, Process};

/// Make, show and remove the model that deployed versions belong to; on Vertex
/// AI, the endpoint that serves them
#[derive(Debug, Parser)]
#[command(
    name = "aip-model",
    version,
    after_help = "\
Examples:
  aip-model create <3-upload.json >4-model.json
  aip-model list --project acme
  aip-model delete --project acme --model iris"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    place: aip::Options,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(create::Args),
    Get(query::GetArgs),
    List(query::ListArgs),
    Delete(delete::Args),
    Whoami(whoami::Args),
}

pub fn main() -> ExitCode {
    stage::run(work)
}

fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    match &args.verb {
        Verb::Create(verb) => create::run(process, &args.place, verb),
        Verb::Get(verb) => query::get(process, &args.place, verb),
        Verb::List(verb) => query::list(process, &args.place, verb),
        Verb::Delete(verb) => delete::run(process, &args.place, verb),
        Verb::Whoami(whoami::Args {}) => whoami::run(&args.place),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        stage::command::<super::Args>().debug_assert();
    }
}
