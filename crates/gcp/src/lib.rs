//! Google Cloud: credentials, Cloud Storage, registries of images, Cloud Build,
//! the last lines of a log, AI Platform Prediction v1, Vertex AI v1.
//!
//! [`Api`] makes the calls that exchange JSON; [`storage`] moves bytes.

mod api;
pub mod build;
mod credentials;
mod endpoint;
mod error;
pub mod images;
pub mod logs;
pub mod ml;
mod operation;
mod service;
pub mod storage;
pub mod vertex;

pub use api::{Api, Request};
pub use credentials::{Credentials, CredentialsError, Whoami};
pub use endpoint::{
    build_endpoint, logging_endpoint, ml_endpoint, storage_endpoint, vertex_endpoint,
};
pub use error::Error;
pub use operation::{Outcome, operation_outcome};
pub use service::{Called, Service, delete, get, patch};
