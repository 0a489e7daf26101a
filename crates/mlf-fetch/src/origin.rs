//! Which way to a model's files is open from here.

use std::path::Path;

use mlflow::source::{Entry, Local, Served, Source, checked};
use mlflow::{Location, Resolved, Tracking};
use stage::Failure;

use crate::Args;
use crate::gs::Gs;

const HERE: &str = "here";
const STORAGE: &str = "Cloud Storage";

/// A way, and what lies at its end.
pub(crate) struct Origin<'a> {
    pub(crate) source: Box<dyn Source + 'a>,
    pub(crate) entries: Vec<Entry>,
    /// For people: `here`, `Cloud Storage`, `the tracking server`.
    pub(crate) way: &'static str,
    /// On this machine.
    pub(crate) is_here: bool,
    /// In Cloud Storage, and it could be read from here.
    pub(crate) is_in_storage: bool,
    /// Some files of the model are no longer in `entries`: they stay.
    pub(crate) is_part: bool,
}

/// The way that spares the tracking server comes first: files that are here,
/// then Cloud Storage, then the server, which serves whatever store it has.
pub(crate) fn find<'a>(
    args: &Args,
    tracking: Option<&'a Tracking>,
    resolved: &'a Resolved,
) -> Result<Origin<'a>, Failure> {
    let client = tracking.and_then(Tracking::client);
    let served = client.map(|client| Served::new(client, resolved)).transpose()?.flatten();
    let served = served.map(|served| served.asking(args.no_cache));
    match (&resolved.location, served) {
        (Location::Local(path), None) => match tracking {
            // Recorded there, not given.
            Some(store) if !path.exists() && resolved.uri.needs_server() => {
                Err(store.nothing_at(resolved).into())
            }
            _ => local(path),
        },
        (Location::Local(path), Some(served)) if !path.is_dir() => {
            log::debug!("'{}' is on the server alone", path.display());
            listed(served, "the tracking server")
        }
        (Location::Local(path), Some(served)) => local(path).or_else(|failure| {
            log::debug!("cannot use '{}'; asking the server: {failure:?}", path.display());
            listed(served, "the tracking server")
        }),
        (Location::Storage { bucket, prefix }, served) => {
            let gs = Gs::new(args.access_token_file.clone(), bucket, prefix);
            match (listed(gs, STORAGE), served) {
                (Err(failure), Some(served)) => {
                    log::debug!("cannot read '{}': {failure:?}", resolved.location);
                    log::info!(
                        "'{}' cannot be read from here; the tracking server reads it",
                        resolved.location
                    );
                    listed(served, "the tracking server")
                }
                (result, _) => result,
            }
        }
        (_, Some(served)) => listed(served, "the tracking server"),
        (location, None) => Err(Failure::usage(format!("'{location}' cannot be read from here"))
            .hint("name the model by its run or version, and the tracking server reads it")),
    }
}

fn local<'a>(path: &Path) -> Result<Origin<'a>, Failure> {
    if !path.exists() {
        return Err(Failure::usage(format!("there is no directory '{}'", path.display()))
            .hint("a model of MLflow is runs:/RUN_ID/PATH, a run id or models:/NAME/VERSION"));
    }
    listed(Local::new(path)?, HERE)
}

fn listed<'a>(source: impl Source + 'a, way: &'static str) -> Result<Origin<'a>, Failure> {
    let entries = checked(source.list()?)?;
    log::debug!("{} files, read from {way}", entries.len());
    Ok(Origin {
        source: Box::new(source),
        entries,
        way,
        is_here: way == HERE,
        is_in_storage: way == STORAGE,
        is_part: false,
    })
}
