//! Versions of AI Platform Prediction.

mod create;
mod delete;
mod existing;
mod failure;
mod fields;
mod finish;
mod job;
mod replace;
mod resource;
mod wait;

pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use fields::Flags;
pub(crate) use wait::wait;
