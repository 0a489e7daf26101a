//! Who gets an endpoint's traffic, by the names of versions.

mod change;
mod history;
mod names;
mod plan;
mod show;

use aip::vertex::Place;
use aip::{Options, Subject, VersionOptions};
use stage::{Failure, Output, Process};

pub(crate) use change::{Change, change, unreadable};
use plan::Plan;
pub(crate) use plan::Wanted;

/// Show or change who gets how much of the traffic
///
/// Shows the split by the names of versions, also those that get nothing, and
/// the splits that were before. These are kept in the endpoint's labels, so
/// that any machine can roll back. Vertex AI only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version traffic --project acme --model iris | jq .traffic
  aip-version traffic --project acme --model iris --set v3=10,v2=90
  aip-version traffic promote --project acme --model iris --version-name v3
  aip-version traffic rollback --project acme --model iris")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,

    /// The whole split, in percent; who is not named gets nothing
    #[arg(long, value_name = "VERSION=PERCENT,…", value_delimiter = ',', value_parser = plan::share)]
    set: Vec<(String, u8)>,

    #[command(flatten)]
    names: aip::Names,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Promote(PromoteArgs),
    Rollback(RollbackArgs),
}

/// Give all traffic to one version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version traffic promote --project acme --model iris --version-name v3
  aip-version traffic promote --document 5-version.json")]
struct PromoteArgs {
    #[command(flatten)]
    names: aip::Names,
}

/// Bring back the split that was before
///
/// A split whose versions are not all deployed any more is not brought back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version traffic rollback --project acme --model iris
  aip-version traffic rollback --project acme --model iris --steps 2")]
struct RollbackArgs {
    /// How many changes to take back
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    steps: u8,

    #[command(flatten)]
    names: aip::Names,
}

pub(crate) fn run(
    process: &Process,
    options: &Options,
    version: &VersionOptions,
    args: &Args,
) -> Result<Output, Failure> {
    if !args.set.is_empty() {
        if args.verb.is_some() {
            return Err(Failure::usage("--set says the whole split: it takes no verb"));
        }
        plan::check(&args.set)?;
    }
    let names = match &args.verb {
        None => &args.names,
        Some(Verb::Promote(verb)) => verb.names.or(&args.names),
        Some(Verb::Rollback(verb)) => verb.names.or(&args.names),
    };
    let mut subject = Subject::model(process, options, names)?;
    let plan = match &args.verb {
        None if args.set.is_empty() => None,
        None => Some(Plan::Set(args.set.clone())),
        Some(Verb::Promote(_)) => Some(Plan::Promote(version.require(&mut subject.document.spec)?)),
        Some(Verb::Rollback(verb)) => Some(Plan::Rollback(usize::from(verb.steps))),
    };
    let place = subject.place.vertex("traffic split")?;
    match plan {
        None => show::run(&subject, place),
        Some(plan) => {
            let dry = subject.document.spec.dry_run;
            let doing = plan.doing(place);
            let changed = change(process, place, &doing, dry, |endpoint| plan.of(place, endpoint))?;
            Ok(Output::Json(show::changed(place, &changed)))
        }
    }
}

/// Gives one that is deployed so much, which the others give up in proportion;
/// with no others, it gets all. The percent that it has then.
pub(crate) fn give(
    process: &Process,
    place: &Place,
    doing: &str,
    id: &str,
    percent: u8,
) -> Result<u8, Failure> {
    let changed = change(process, place, doing, false, |endpoint| {
        Ok(Wanted::next(endpoint, endpoint.split().with(id, percent)))
    })?;
    Ok(changed.endpoint.split().percent(id))
}
