//! Google Cloud: credentials, Cloud Storage, AI Platform Prediction v1.
//!
//! [`Api`] makes the calls that exchange JSON; [`storage`] moves bytes.

mod api;
mod credentials;
mod endpoint;
mod error;
pub mod ml;
pub mod storage;

pub use api::{Api, Request};
pub use credentials::{Credentials, CredentialsError};
pub use endpoint::{ml_endpoint, storage_endpoint};
pub use error::Error;
