//! What a bundle holds for Vertex AI, which serves container images.

mod args;
mod base;
mod cache;
mod dependencies;
mod dockerfile;
mod error;
mod example;
mod expected;
mod image;
mod lock;
mod made;
mod plan;
mod prebuilt;
mod python;
mod record;
mod runtime;
mod uv;

pub(crate) use args::ImageArgs;
pub(crate) use dockerfile::{CLOUD_BUILD, DOCKERFILE};
pub(crate) use expected::EXPECTED;
pub(crate) use lock::LOCK;
pub(crate) use plan::Plan;
pub(crate) use record::Part;

/// The image layout, below the bundle's directory.
pub(crate) const LAYOUT: &str = "image";
