//! Cloud Storage, as every verb reaches it.

use std::sync::Arc;

use gcp::storage::{Header, Storage};
use gcp::{Credentials, storage_endpoint};
use stage::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Headers {
    /// Header for Cloud Storage, such as 'X-Goog-User-Project: acme'; @FILE has
    /// one on each line. May be given again
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
}

impl Headers {
    pub(crate) fn storage(&self, credentials: Arc<Credentials>) -> Result<Storage, Failure> {
        let mut headers = Vec::new();
        for text in &self.header {
            headers.extend(Header::parse(text)?);
        }
        Ok(Storage::new(storage_endpoint(), credentials).with_headers(headers))
    }
}

pub(crate) fn grant(bucket: &str) -> String {
    format!("grant the caller roles/storage.objectUser on gs://{bucket}")
}
