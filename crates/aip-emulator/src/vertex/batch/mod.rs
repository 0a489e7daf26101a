//! Batch prediction: a server for one job, fed with what stands in a bucket.

mod input;
mod instance;
mod output;
mod run;

pub(super) use input::check as check_source;
pub(super) use instance::check as check_instances;
pub(super) use run::Work;
