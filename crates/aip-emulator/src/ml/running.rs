//! The work behind operations, apart from the requests that asked for it.

use std::future::Future;

use super::Ml;
use super::catalog::Catalog;
use crate::api::outcome::Outcome;
use crate::error::ApiError;
use crate::say::say;

impl Ml {
    pub(super) fn spawn(
        &self,
        project: &str,
        id: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.0.running.spawn(&format!("{project}/{id}"), work);
    }

    /// Ends an operation with the change that it made, unless it was cancelled
    /// a moment before.
    pub(super) fn finish(
        &self,
        project: &str,
        id: &str,
        change: impl FnOnce(&mut Catalog) -> Result<Outcome, ApiError>,
    ) {
        let done = self.0.catalog.change(|catalog| {
            if catalog.operations(project).get(id).is_none_or(|one| one.outcome.is_some()) {
                return Ok(());
            }
            let outcome = change(catalog)?;
            if let Some(operation) = catalog.operations(project).get_mut(id) {
                operation.finish(outcome);
            }
            Ok(())
        });
        if let Err(err) = done {
            say(&format!("cannot finish the operation '{id}': {}", err.message()));
        }
    }
}
