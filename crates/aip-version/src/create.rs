//! Deploy a version.

use std::time::Duration;

use aip::{Place, given, refuse_flags};
use deployment::Target;
use stage::{Failure, Output, Process};

use crate::flags::Flags;
use crate::{ai_platform, canary, migrate, vertex};

pub(crate) const STAGE: &str = "version";

/// What is said to who ends it before it is done.
pub(crate) const AGAIN: &str = "run the same command again: it takes the version up where it is";

/// Deploy a version and wait until it answers
///
/// Reads a Deployment on stdin and writes it on stdout with `stages.version`
/// filled in. A version of this name that was made of the same bundle is taken
/// up where it is, so that the command can be run again whatever happened.
///
/// With --target vertex, a document about AI Platform, or the record of a version
/// there as `aip-version get` prints it, gives the same model on Vertex AI: the
/// stages that its image takes are run first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-version create <4-model.json >5-version.json
  aip-version create --version-name v2 --canary 10 <4-model.json
  aip-version create --no-wait <4-model.json >5-version.json; aip-version wait <5-version.json
  aip-version create --replace --machine-type n1-standard-4 --max-replicas 4 <4-model.json
  aip-version create --target ai-platform --set-default <4-model.json
  aip-version get --target ai-platform --document old.json | aip-version create --target vertex")]
pub(crate) struct Args {
    /// Do not wait; `aip-version wait` takes it up, from any machine
    #[arg(long)]
    pub(crate) no_wait: bool,

    /// Where a version of this name was made of something else, put this one in
    /// its place. On Vertex AI, the old one answers until the new one does. On
    /// AI Platform it is deleted first; a default version hands over to another
    /// one meanwhile, if the model has one, and is the default again afterwards
    #[arg(long, conflicts_with = "no_wait")]
    pub(crate) replace: bool,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,

    #[command(flatten)]
    pub(crate) flags: Flags,

    #[command(flatten)]
    pub(crate) vertex: vertex::Flags,

    #[command(flatten)]
    pub(crate) canary: canary::Flags,

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
    let (mut document, record) = migrate::read(process)?;
    let before = document.spec.target.or(record.as_ref().map(|_| Target::AiPlatform));
    let place = options.place(&mut document.spec)?;
    if place.target() == Target::Vertex && migrate::is_due(before, &document) {
        if version.version_name.is_some() {
            version.require_new(&mut document.spec)?;
        }
        document = migrate::migrate(process, options, document, record.as_ref())?;
    } else if record.is_some() {
        return Err(Failure::input("stdin is the record of a version of AI Platform")
            .hint("bring it to Vertex AI with --target vertex"));
    }
    document.stages.modelled()?;
    let version = version.require_new(&mut document.spec)?;
    document.forget_results(STAGE);
    let foreign = match &place {
        Place::AiPlatform(_) => [given(&args.vertex), given(&args.canary)].concat(),
        Place::Vertex(_) => given(&args.ai_platform),
    };
    refuse_flags(place.target(), &foreign)?;
    match &place {
        Place::AiPlatform(place) => {
            ai_platform::create(process, place, &version, &mut document, args)?;
        }
        Place::Vertex(place) => vertex::create(process, place, &version, &mut document, args)?,
    }
    Ok(document.into())
}
