//! The client against a registry that does as it is told.

#![allow(clippy::unwrap_used)]

mod pull;
mod push;
mod server;
