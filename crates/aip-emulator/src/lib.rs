//! Google Cloud on loopback: Cloud Storage, AI Platform and Vertex AI, as strict
//! as the real services, so that a whole deployment can be tried without an account.
//!
//! It shares no code with the clients it is for, or it would agree with their
//! mistakes.

mod api;
mod auth;
pub mod build;
mod cli;
mod connection;
pub mod container;
mod drain;
mod environment;
mod error;
mod faults;
mod fields;
mod guard;
pub mod ml;
mod pieces;
pub mod registry;
mod run;
mod runtime;
mod say;
mod serve;
mod server;
mod signals;
mod state;
pub mod storage;
mod token;
mod traffic;
pub mod vertex;

use axum::middleware::{from_fn, from_fn_with_state};

pub use cli::{command, main};
pub use error::ApiError;
pub use server::{Config, Emulator};
pub use state::{App, Options};

/// Every service under one root, as the clients' endpoint overrides expect.
pub fn app(state: App) -> axum::Router {
    let services = storage::router()
        .merge(ml::router())
        .merge(vertex::router())
        .layer(from_fn_with_state(state.clone(), build::intercept))
        .layer(from_fn_with_state(state.clone(), auth::require));
    let router = services
        .merge(token::router())
        .merge(registry::router())
        .layer(from_fn_with_state(state.clone(), faults::inject))
        .merge(faults::router())
        .fallback(async || ApiError::storage(404, "notFound", "Not Found"))
        .layer(from_fn(guard::admit))
        .layer(from_fn(drain::drain));
    let router = match state.traffic.clone() {
        Some(traffic) => router.layer(from_fn_with_state(traffic, traffic::record)),
        None => router,
    };
    router.with_state(state)
}
