//! AI Platform v1 over HTTP, with a predictor that needs nothing but Python.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod harness;
mod lifetime;
mod models;
mod predict;
mod versions;
