//! Moving an endpoint's requests.

use aip::vertex::{Endpoint, Place, Split};
use stage::{Failure, Process};

use crate::traffic::{Change, Wanted, change};

/// Writes the split that `plan` makes of the one that is there. What was before
/// is remembered, as with every change of traffic.
pub(super) fn shift(
    process: &Process,
    place: &Place,
    doing: &str,
    dry: bool,
    plan: impl Fn(&Endpoint) -> Result<Split, Failure>,
) -> Result<Change, Failure> {
    let next = |endpoint: &Endpoint| Ok(Wanted::next(endpoint, plan(endpoint)?));
    change(process, place, doing, dry, next)
}
