//! Google Cloud: credentials, Cloud Storage, AI Platform Prediction v1, Vertex AI v1.
//!
//! [`Api`] makes the calls that exchange JSON; [`storage`] moves bytes.

mod api;
mod credentials;
mod endpoint;
mod error;
pub mod ml;
mod operation;
mod service;
pub mod storage;
pub mod vertex;

pub use api::{Api, Request};
pub use credentials::{Credentials, CredentialsError};
pub use endpoint::{ml_endpoint, storage_endpoint, vertex_endpoint};
pub use error::Error;
pub use operation::{Outcome, operation_outcome};
pub use service::{Service, delete, get, patch};
