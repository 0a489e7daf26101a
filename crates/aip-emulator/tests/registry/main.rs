//! Images: pushed, pulled, and run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod blobs;
mod builds;
mod containers;
mod harness;
mod manifests;
