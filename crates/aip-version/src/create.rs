//! Deploy a version.

use std::time::Duration;

use stage::{Failure, Output, Process};

use crate::ai_platform;
use crate::flags::Flags;

pub(crate) const STAGE: &str = "version";

/// What is said to who ends it before it is done.
pub(crate) const AGAIN: &str = "run the same command again: it takes the version up where it is";

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
    pub(crate) no_wait: bool,

    /// Where a version of this name was made of something else, delete it and
    /// create it anew. A default version hands over to another one meanwhile,
    /// if the model has one, and is the default again afterwards
    #[arg(long, conflicts_with = "no_wait")]
    pub(crate) replace: bool,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,

    #[command(flatten)]
    pub(crate) flags: Flags,

    #[command(flatten)]
    pub(crate) ai_platform: ai_platform::Flags,
}

impl Args {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
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
    document.forget_results(STAGE);
    let place = place.ai_platform("version to create")?;
    ai_platform::create(process, place, &version, &mut document, args)?;
    Ok(document.into())
}
