//! One write of split and history, whoever else writes at the same time.

use aip::vertex::{Endpoint, Place, Split};
use deployment::{Explain, Kind};
use gcp::Called;
use gcp::vertex::traffic::set_split;
use log::info;
use serde_json::Value;
use stage::{Failure, Process};

use super::plan::Wanted;
use super::{history, names};

/// How often an endpoint may change beside its traffic while this changes that.
const ATTEMPTS: usize = 3;

const LOOK: &str = "look at it: aip-version traffic";

/// What came of it.
pub(crate) struct Change {
    pub(crate) changed: bool,
    pub(crate) before: Split,
    /// As it is now; in a dry run, as it is before.
    pub(crate) endpoint: Endpoint,
    /// The request that a dry run shows.
    pub(crate) dry: Option<String>,
}

/// Reads the endpoint, asks `plan` what is wanted of it, and writes that, if
/// nobody has changed the traffic in between.
pub(crate) fn change(
    process: &Process,
    place: &Place,
    doing: &str,
    dry: bool,
    plan: impl Fn(&Endpoint) -> Result<Wanted, Failure>,
) -> Result<Change, Failure> {
    let _interrupt = process.on_interrupt(format!("interrupted while trying to {doing}"), LOOK)?;
    let mut endpoint = read(place)?;
    let before = endpoint.split();
    let mut attempts = 0..ATTEMPTS;
    loop {
        let wanted = plan(&endpoint)?;
        let unchanged =
            |dry, endpoint| Change { changed: false, before: before.clone(), endpoint, dry };
        if wanted.split == before {
            info!("the traffic is as wanted already: {}", names::sentence(&endpoint, &before));
            return Ok(unchanged(None, endpoint));
        }
        let labels = history::write(&endpoint.0["labels"], &wanted.history);
        let (name, split) = (place.endpoint_name(), wanted.split.to_json());
        let request = set_split(&name, &split, &labels, endpoint.etag());
        if dry {
            let shown = place.service.api().describe(&request);
            process.would(&shown);
            return Ok(unchanged(Some(shown), endpoint));
        }
        let find = || done(place, &wanted);
        let error = match place.service.call_unless(&request, find) {
            Ok(Called::Answer(answer)) => return Ok(announce(before, Endpoint(answer))),
            Ok(Called::Found(endpoint)) => return Ok(announce(before, endpoint)),
            Err(error) => error,
        };
        // The last answer may have been lost as well, or an earlier one have
        // made this one a conflict with ourselves.
        let may_be_done = is_conflict(&error) || error.kind() == Kind::Unavailable;
        if may_be_done && let Ok(Some(endpoint)) = find() {
            return Ok(announce(before, endpoint));
        }
        if !is_conflict(&error) || attempts.next().is_none() {
            return Err(refused(error, doing));
        }
        endpoint = read(place)?;
        if endpoint.split() != before {
            return Err(overtaken(&endpoint, doing));
        }
    }
}

pub(crate) fn unreadable(place: &Place, error: gcp::Error) -> Failure {
    let status = error.status();
    let message = format!("cannot look at endpoint '{}'", place.endpoint_id);
    let failure = Failure::from(error).context(message);
    match status {
        Some(403) => failure.hint("the caller needs aiplatform.endpoints.get"),
        Some(404) => failure.hint("see what is there: aip-model list"),
        _ => failure,
    }
}

fn read(place: &Place) -> Result<Endpoint, Failure> {
    Endpoint::read(place).map_err(|error| unreadable(place, error))
}

/// The endpoint, if it is as wanted.
fn done(place: &Place, wanted: &Wanted) -> Result<Option<Endpoint>, gcp::Error> {
    let endpoint = Endpoint::read(place)?;
    let labels = history::write(&endpoint.0["labels"], &wanted.history);
    let is_done = endpoint.split() == wanted.split && endpoint.0["labels"] == Value::Object(labels);
    Ok(is_done.then_some(endpoint))
}

/// Services say in several ways that an etag is no longer that of the resource.
fn is_conflict(error: &gcp::Error) -> bool {
    let code = match error {
        gcp::Error::Http(error) => error.code(),
        _ => None,
    };
    matches!(error.status(), Some(409 | 412))
        || (error.status() == Some(400) && matches!(code, Some("FAILED_PRECONDITION" | "ABORTED")))
}

fn announce(before: Split, endpoint: Endpoint) -> Change {
    info!("traffic: {}", names::sentence(&endpoint, &endpoint.split()));
    Change { changed: true, before, endpoint, dry: None }
}

fn overtaken(endpoint: &Endpoint, doing: &str) -> Failure {
    let now = names::sentence(endpoint, &endpoint.split());
    Failure::new(Kind::Refused, format!("cannot {doing}"))
        .http_status(412)
        .because(format!("somebody else has changed it meanwhile: {now}"))
        .hint("run the same command again if that is still wanted")
}

fn refused(error: gcp::Error, doing: &str) -> Failure {
    let status = error.status();
    let failure = Failure::from(error).context(format!("cannot {doing}"));
    match status {
        Some(403) => failure.hint("the caller needs aiplatform.endpoints.update"),
        _ => failure.hint(LOOK),
    }
}
