//! Vertex AI v1 over HTTP, with a model server that needs nothing but Python.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod batch;
mod deploy;
mod endpoints;
mod harness;
mod models;
mod predict;
#[path = "../registry/harness.rs"]
#[allow(dead_code, reason = "it is the registry's, of which others use a part")]
mod server;
