//! aip-upload: the bundle and the model's files into the bucket, the image into
//! its registry.

mod claim;
mod composite;
mod image;
mod inner;
mod item;
mod plan;
mod prune;
mod put;
mod reach;
mod send;
mod state;
mod there;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stage::{Failure, Output, Process};

use transport::Rate;

use image::ImageOptions;
use reach::Headers;

/// Put the bundle and the model's files in the bucket, and the image in its
/// registry, verified
///
/// Reads a Deployment on stdin and writes it on stdout with `stages.upload`
/// filled in. What is in the bucket already, with the same content, is not sent
/// again. Every write names the generation it replaces and the CRC-32C it must
/// have, so that nobody's work is overwritten and no broken file goes live. Where
/// something else was uploaded under the version's name, it is refused.
///
/// For Vertex AI, the image is pushed from the bundle's layout, layer by layer
/// and only what the registry lacks, or built by Cloud Build; it is known by its
/// digest from then on. Where the image holds the model, no bucket is needed.
#[derive(Debug, Parser)]
#[command(
    name = "aip-upload",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  aip-upload --bucket acme-models <2-bundle.json >3-upload.json
  mlf-fetch models:/iris@champion | aip-bundle | aip-upload --bucket acme-models --route iris
  aip-upload --image-repository europe-west1-docker.pkg.dev/acme/models <2-bundle.json
  aip-upload --dry-run <2-bundle.json
  aip-upload verify <3-upload.json
  aip-upload prune --document 3-upload.json"
)]
pub struct Args {
    /// Cloud Storage bucket, which must exist [env: production_bucket]
    #[arg(long)]
    bucket: Option<String>,

    /// Prefix in the bucket for all artifacts of the model; without it, the
    /// model's name [env: production_route]
    #[arg(long, value_name = "PREFIX")]
    route: Option<String>,

    /// Write over what another upload has put under this version's name, and a
    /// version may be made of; without this, it is refused before anything is
    /// sent. An upload of the same that broke off goes on without this
    #[arg(long)]
    overwrite: bool,

    /// Remove objects below the model's prefix that are not part of it; without
    /// this, they are an error, for the service would serve them as well
    #[arg(long)]
    delete_extra: bool,

    /// Files that are sent at the same time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,

    /// Send files above 150 MiB in up to 32 parts at the same time, which the
    /// service puts together; for lines on which one stream is slow
    #[arg(long)]
    parallel_composite: bool,

    /// Send no faster than RATE bytes a second, all files and layers together,
    /// such as 500K or 20M (K, M and G are powers of 1024)
    #[arg(long, value_name = "RATE")]
    limit_rate: Option<Rate>,

    #[command(flatten)]
    headers: Headers,

    /// File with an access token, instead of the credentials that are found
    #[arg(long, value_name = "FILE")]
    access_token_file: Option<PathBuf>,

    #[command(flatten)]
    image: ImageOptions,

    #[command(subcommand)]
    verb: Option<Verb>,
}

/// Without a verb, the filter.
#[derive(Debug, Subcommand)]
enum Verb {
    Verify(verify::Args),
    Prune(Box<prune::Args>),
}

pub fn main() -> ExitCode {
    stage::run(work)
}

fn work(process: &Process, args: &Args) -> Result<Output, Failure> {
    match &args.verb {
        None => put::run(process, args),
        Some(Verb::Verify(verb)) => verify::run(process, verb),
        Some(Verb::Prune(verb)) => prune::run(process, verb),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        stage::command::<super::Args>().debug_assert();
    }
}
