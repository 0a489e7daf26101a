//! Google Cloud on loopback: Cloud Storage and AI Platform, as strict as the
//! real services, so that a whole deployment can be tried without an account.

mod error;
pub mod ml;
mod runtime;
mod state;
pub mod storage;

pub use error::ApiError;
pub use state::{App, Options};

/// Every service under one root, as the clients' endpoint overrides expect.
pub fn app(state: App) -> axum::Router {
    ml::router().with_state(state)
}
