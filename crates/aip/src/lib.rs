//! What aip-model, aip-version and aip-predict share: which service and which
//! resource is meant, the lineage as labels, and waiting for operations.

mod labels;
mod names;
mod options;
mod place;
mod wait;

pub use labels::{BUNDLE_DIGEST, check_objects, lineage, merge, parse_label};
pub use names::Names;
pub use options::{Options, VersionOptions};
pub use place::Place;
pub use wait::{Waiting, wait, wait_for_operation};
