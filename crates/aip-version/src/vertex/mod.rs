//! Versions on Vertex AI: a version of a model, deployed to an endpoint.

mod create;
mod delete;
mod deploy;
mod erase;
mod failure;
mod flags;
mod heirs;
mod job;
mod list;
mod operations;
mod record;
mod replace;
mod resource;
mod shift;
mod upload;
mod wait;

pub(crate) use create::create;
pub(crate) use delete::{Flags as DeleteFlags, delete};
pub(crate) use flags::{Flags, child};
pub(crate) use list::list;
pub(crate) use wait::wait;
