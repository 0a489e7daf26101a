//! `mlf-fetch cache`: what is kept of models that came once.

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use humantime::format_rfc3339_seconds;
use mlflow::{Cache, Wanted};
use serde_json::json;
use stage::{Failure, Output, Process};

use crate::place;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the models in the cache, those of use last first
    List,
    /// Remove models from the cache, and files that belong to none
    ///
    /// A fetch that is under way does not mind: it has its own hold of what it
    /// uses, or downloads. Directories that models were fetched into stay.
    Prune(Prune),
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Models that were of no use for so long, such as 12h or 30d [default: 30d,
    /// unless --max-size is given]
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,

    /// Keep no more than SIZE bytes of models, such as 20G: those that were of
    /// use last
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
}

const DEFAULT_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn size(text: &str) -> Result<u64, String> {
    let why = || "not a size: bytes, such as 500M or 20G".to_owned();
    transport::bytes_of(text).ok_or_else(why)
}

pub(crate) fn work(process: &Process, verb: &Verb) -> Result<Output, Failure> {
    let root = place::cache_directory().ok_or_else(|| {
        Failure::usage("there is no directory for a cache").hint("set XDG_CACHE_HOME or HOME")
    })?;
    let cache = Cache::new(root);
    match verb {
        Verb::List => list(&cache),
        Verb::Prune(prune) => remove(&cache, prune, process.is_dry()),
    }
}

fn list(cache: &Cache) -> Result<Output, Failure> {
    let models = cache.list()?;
    let model = |model: &mlflow::Listed| {
        json!({
            "modelUri": model.model_uri, "place": model.place, "files": model.files,
            "bytes": model.bytes, "used": format_rfc3339_seconds(model.used).to_string(),
        })
    };
    let models: Vec<_> = models.iter().map(model).collect();
    Ok(Output::Json(json!({"directory": cache.root().to_string_lossy(), "models": models})))
}

fn remove(cache: &Cache, prune: &Prune, dry_run: bool) -> Result<Output, Failure> {
    let age = prune.older_than.or_else(|| prune.max_size.is_none().then_some(DEFAULT_AGE));
    let since = age.map(|age| SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH));
    let pruned = cache.prune(Wanted { since, bytes: prune.max_size }, dry_run)?;
    Ok(Output::Json(json!({
        "dryRun": dry_run, "models": pruned.models, "files": pruned.files, "bytes": pruned.bytes,
    })))
}
