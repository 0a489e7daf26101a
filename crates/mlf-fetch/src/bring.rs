//! The files to this machine, unless they are here.

use std::sync::atomic::{AtomicU64, Ordering};

use deployment::{Fetch, File};
use mlflow::source::Source;
use mlflow::{Download, Identity, Store, Told};
use stage::{Failure, Process};

use crate::origin::Origin;
use crate::{Args, place};

/// What came before it ended stays beside the model's directory.
const AGAIN: &str = "run it again: it goes on with what has come so far";

/// The files, and how many bytes had to come for them.
pub(crate) fn bring(
    process: &Process,
    args: &Args,
    origin: &mut Origin,
    store: &Store,
    identity: &Identity,
    fetch: &Fetch,
) -> Result<(Vec<File>, u64), Failure> {
    let jobs = usize::from(args.jobs);
    let cache = place::cache(args, origin);
    // They go as the files come: there may be a hundred thousand of them.
    let entries = std::mem::take(&mut origin.entries);
    let source: &dyn Source = origin.source.as_ref();
    let current = || store.current(source, &entries, identity, jobs);
    if let Some(files) = (!args.no_cache).then(current).flatten() {
        log::info!("'{}' is here already, unchanged", fetch.model_uri);
        return Ok((files, 0));
    }
    let _interrupt = process.on_interrupt("interrupted", AGAIN)?;
    let total = entries.iter().filter_map(|entry| entry.size).sum();
    let progress = process.progress(format!("fetching {}", fetch.model_uri), total);
    let progress = progress.of_files(entries.len());
    let cached = cache.as_ref().map(|cache| cache.model(identity));
    let staging = store.stage(identity)?;
    let came = AtomicU64::new(0);
    let told = Told {
        bytes: &|bytes| progress.advance(bytes),
        came: &|bytes| _ = came.fetch_add(bytes, Ordering::Relaxed),
        file: &|| progress.file_done(),
    };
    let download = Download { source, staging: &staging, cached: cached.as_ref(), jobs, told };
    let kept = download.run(entries, identity).and_then(|files| {
        if let Some(cached) = &cached {
            cached.record(&fetch.model_uri, &files);
        }
        store.keep(&staging, &fetch.model_uri, files)
    });
    let files = kept.map_err(|error| {
        if !error.may_pass() {
            return Failure::from(error);
        }
        staging.stay();
        Failure::from(error).hint(AGAIN)
    })?;
    let (came, total) = (came.into_inner(), files.iter().map(|file| file.size).sum::<u64>());
    if came < total {
        let here = total - came;
        log::info!("{here} of {total} bytes were here, in the cache or from an earlier run");
    }
    Ok((files, came))
}
