//! Removing a version.

use std::time::Duration;

use aip::Waiting;
use aip::ai_platform::Place;
use stage::{Failure, Process};

/// Whether there was one.
pub(crate) fn delete(
    process: &Process,
    place: &Place,
    version: &str,
    timeout: Duration,
) -> Result<bool, Failure> {
    let waiting = Waiting {
        doing: format!("delete version '{version}' of model '{}'", place.model),
        resume: "run the same command again".into(),
        timeout,
    };
    let name = place.version_name(version);
    let request = gcp::delete(&name);
    let hint = "make another version the default first: aip-version set-default";
    aip::delete(process, &place.service, &name, &request, &waiting, hint)
}
