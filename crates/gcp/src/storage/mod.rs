//! Cloud Storage, JSON API v1, over ureq: it moves bytes for an eighth of the
//! CPU that a reader body costs in reqwest::blocking.
//!
//! Protocol: <https://cloud.google.com/storage/docs/json_api/v1> and the
//! discovery document storage.v1.

mod call;
mod compose;
mod content;
mod download;
#[doc(hidden)]
pub mod fuzzing;
mod header;
mod journal;
mod note;
mod object;
mod resumable;
mod rewrite;
#[cfg(test)]
mod stopping;
mod upload;
mod uri;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use transport::Policy;
use ureq::Agent;

use crate::{Credentials, Error};

pub use compose::{Bucket, MAX_PARTS};
pub use header::{Header, HeaderError};
pub use journal::Journal;
pub use object::ObjectMeta;
pub use rewrite::Rewrite;
pub use upload::{Body, Insert};
pub use uri::{GsUri, GsUriError};

/// Cloud Storage, as one caller sees it.
#[derive(Debug)]
pub struct Storage {
    root: String,
    agent: Agent,
    /// For long content, which goes in larger pieces.
    streams: Agent,
    credentials: Arc<Credentials>,
    policy: Policy,
    /// What every request carries besides.
    headers: Vec<Header>,
    line: content::Line,
}

impl Storage {
    pub fn new(root: String, credentials: Arc<Credentials>) -> Self {
        let agent = transport::sending_agent(&root);
        let streams = transport::agent(&root);
        let line = content::Line::default();
        Self {
            root,
            agent,
            streams,
            credentials,
            policy: Policy { stop: line.stop.clone(), ..Policy::from_env() },
            headers: Vec::new(),
            line,
        }
    }

    /// The same, whose requests carry these as well.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<Header>) -> Self {
        self.headers = headers;
        self
    }

    /// No content leaves any more, and nobody waits to try again: uploads and
    /// copies under way end with an error, and their notes stay.
    pub fn stop(&self) {
        self.line.stop.set();
    }

    /// So many bytes of content have left, whatever became of them.
    pub fn sent(&self) -> u64 {
        self.line.sent.load(Ordering::Relaxed)
    }

    /// The same, for what may as well stay unknown, or is tried again by who asks.
    #[must_use]
    pub fn asking_once(mut self) -> Self {
        self.policy.retries = 0;
        self
    }

    /// The objects whose names begin with `prefix`, all pages.
    pub fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectMeta>, Error> {
        self.list_with(bucket, prefix, "items(name,size,crc32c,generation),nextPageToken")
    }

    /// The same, with the time at which each was written.
    pub fn list_dated(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectMeta>, Error> {
        let fields = "items(name,size,crc32c,generation,timeCreated),nextPageToken";
        self.list_with(bucket, prefix, fields)
    }

    fn list_with(
        &self,
        bucket: &str,
        prefix: &str,
        fields: &str,
    ) -> Result<Vec<ObjectMeta>, Error> {
        let mut objects = Vec::new();
        let mut page_token: Option<String> = None;
        loop {
            let mut query = vec![("prefix", prefix), ("maxResults", "1000"), ("fields", fields)];
            if let Some(token) = &page_token {
                query.push(("pageToken", token));
            }
            let url = format!("{}/storage/v1/b/{}/o", self.root, uri::segment(bucket));
            let (found, next) = object::page(&url, &self.json("GET", &url, &query)?)?;
            objects.extend(found);
            page_token = next;
            if page_token.is_none() {
                return Ok(objects);
            }
        }
    }

    /// The object as it is now, if there is one.
    pub fn get(&self, bucket: &str, name: &str) -> Result<Option<ObjectMeta>, Error> {
        let url = self.object_url(bucket, name);
        match self.json("GET", &url, &[]) {
            Ok(item) => Ok(Some(ObjectMeta::parse("GET", &url, &item)?)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes this generation; one that is gone already is as good as removed.
    pub fn delete(&self, bucket: &str, object: &ObjectMeta) -> Result<(), Error> {
        self.remove(bucket, object).map(drop)
    }

    /// The same for who wants to know whether it was there. An answer that was lost
    /// makes it seem gone already.
    pub fn remove(&self, bucket: &str, object: &ObjectMeta) -> Result<bool, Error> {
        let url = self.object_url(bucket, &object.name);
        let generation = object.generation.to_string();
        match self.empty("DELETE", &url, &[("ifGenerationMatch", &generation)]) {
            Err(error) if error.status() == Some(404) => Ok(false),
            done => done.map(|()| true),
        }
    }

    /// The same, as a dry run shows it.
    pub fn describe_delete(&self, bucket: &str, name: &str) -> String {
        format!("DELETE {}", self.object_url(bucket, name))
    }

    fn object_url(&self, bucket: &str, name: &str) -> String {
        format!("{}/storage/v1/b/{}/o/{}", self.root, uri::segment(bucket), uri::segment(name))
    }
}
