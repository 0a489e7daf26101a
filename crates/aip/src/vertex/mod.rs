//! Vertex AI: where a model is, and what its endpoint looks like.

mod endpoint;
mod place;
mod split;

pub use endpoint::{Deployed, Endpoint};
pub use place::Place;
pub use split::Split;

/// The region where none is given, as Google's own SDK has it.
pub const REGION: &str = "us-central1";
