//! What aip-model, aip-version and aip-predict share: which service and which
//! resource is meant, the lineage as labels, and waiting for operations.

pub mod ai_platform;
mod delete;
mod differences;
mod flags;
mod labels;
mod names;
mod options;
mod place;
mod subject;
pub mod vertex;
mod wait;

pub use delete::delete;
pub use differences::{Difference, differences, missing_labels};
pub use flags::given;
pub use labels::{BUNDLE_DIGEST, check_objects, lineage, merge, parse_label};
pub use names::Names;
pub use options::{Options, VersionOptions};
pub use place::{Place, refuse_flags};
pub use subject::Subject;
pub use wait::{Waiting, ended, outcome, wait, wait_for_operation};
