//! MLflow: resolve a model URI, list and download artifacts, read MLmodel.
//!
//! [`ModelUri`] is what a person asks for, [`resolve`] finds where it is by
//! asking a [`Tracking`] server or a store on this machine, a
//! [`source::Source`] lists and reads it, [`Download`] brings it here, [`Store`]
//! keeps it, and a [`Cache`] what came once. Nothing here knows Google; a source
//! for Cloud Storage comes from outside.

mod absent;
mod advice;
mod api;
mod backend;
mod cache;
mod candidates;
mod client;
mod copy;
mod download;
mod encode;
mod error;
mod hashing;
mod known;
mod location;
mod login;
mod mlmodel;
mod pages;
mod resolve;
mod resolved;
mod server;
pub mod source;
mod store;
mod stores;
mod tracking_uri;
mod transfer;
mod uri;

pub use backend::Tracking;
pub use cache::{Cache, Cached, Listed, Pruned, Wanted};
pub use client::Client;
pub use download::{Download, Told};
pub use error::Error;
pub use known::{Identity, Known};
pub use location::{Location, Proxy};
pub use login::{Flags, Header, Login, Options, Patience, Tls, Trust};
pub use mlmodel::{MAX_BYTES as MAX_MLMODEL_BYTES, MlModel};
pub use resolve::resolve;
pub use resolved::{Resolved, Served};
pub use server::Server;
pub use store::{Staging, Store};
pub use tracking_uri::{StoreUri, Target, TrackingUri};
pub use uri::{ModelUri, Selector};
