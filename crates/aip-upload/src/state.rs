//! Where uploads under way are noted, for the next run.

use std::path::{Path, PathBuf};

use deployment::Spec;
use gcp::storage::Journal;
use log::debug;
use stage::settings;
use transport::Digest;

/// Below the directory that the stages before share; whoever has that, on this
/// machine or on another, goes on with what was begun.
pub(crate) fn directory(spec: &mut Spec) -> Option<PathBuf> {
    let work_dir = settings::work_dir(None, &mut spec.work_dir).ok()?;
    Some(work_dir.join("state").join("upload"))
}

/// The journal for what goes to `place`. An upload goes on without one where it
/// cannot be had.
pub(crate) fn journal(state: &Path, place: &str) -> Option<Journal> {
    let name = Digest::of_bytes(place.as_bytes()).sha256;
    let directory = state.join(&name[..16]);
    match Journal::open(&directory) {
        Ok(Some(journal)) => Some(journal),
        Ok(None) => {
            debug!("another run is writing to '{place}': this one leaves no notes");
            None
        }
        Err(error) => {
            debug!("no notes in '{}': {error}", directory.display());
            None
        }
    }
}
