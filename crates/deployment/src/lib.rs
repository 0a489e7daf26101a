//! The document that the tools exchange.
//!
//! One JSON object travels through the pipeline: `spec` says what is wanted,
//! `stages` what each tool has done, `results` what a person should know. This
//! crate holds its types, reads and writes it, and generates its JSON Schema.
//! It does no I/O and reads no clock.

mod document;
mod extra;
mod input;
mod kind;
pub mod names;
mod need;
mod read;
mod spec;
mod stages;

pub use document::{API_VERSION, Deployment, KIND, Report, Severity};
pub use extra::{Extra, Rest};
pub use input::{InputError, MAX_BYTES};
pub use kind::{Explain, Kind, is_full};
pub use spec::{AiPlatform, Spec, Target, Vertex};
pub use stages::{
    Builder, Bundle, Example, Fetch, File, Image, Lineage, Model, Object, Package, PushedImage,
    Signature, Stages, Upload, Version,
};
