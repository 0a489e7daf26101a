//! An object out of others, and what a bucket thinks of it.

use std::io::Cursor;

use serde_json::json;
use transport::{retry, success};
use ureq::SendBody;

use super::call::{Idempotency, read_json, with_query};
use super::{ObjectMeta, Storage, uri};
use crate::Error;

/// The most objects that one is made of.
pub const MAX_PARTS: u64 = 32;

/// What decides whether objects that live for a minute cost nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub storage_class: String,
    /// Objects must stay for a while.
    pub retains: bool,
}

impl Storage {
    pub fn bucket(&self, name: &str) -> Result<Bucket, Error> {
        let url = format!("{}/storage/v1/b/{}", self.root, uri::segment(name));
        let fields = "storageClass,retentionPolicy,defaultEventBasedHold";
        let answer = self.json("GET", &url, &[("fields", fields)])?;
        Ok(Bucket {
            storage_class: answer["storageClass"].as_str().unwrap_or("STANDARD").to_owned(),
            retains: !answer["retentionPolicy"].is_null()
                || answer["defaultEventBasedHold"] == true,
        })
    }

    /// Puts `parts`, in this order and generation, together. Nobody checks the
    /// outcome but who asked for it: the service ignores a sum that is given.
    pub fn compose(
        &self,
        bucket: &str,
        name: &str,
        parts: &[ObjectMeta],
    ) -> Result<ObjectMeta, Error> {
        let sources: Vec<_> = parts
            .iter()
            .map(|part| {
                let generation = part.generation.to_string();
                json!({
                    "name": part.name,
                    "generation": generation,
                    "objectPreconditions": {"ifGenerationMatch": generation},
                })
            })
            .collect();
        let destination = json!({"contentType": "application/octet-stream"});
        let body = json!({"sourceObjects": sources, "destination": destination}).to_string();
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("content-length", body.len().to_string()),
            Idempotency::new().header(),
        ];
        let url = format!("{}/compose", self.object_url(bucket, name));
        let url = with_query(&url, &[("fields", "name,size,crc32c,generation")]);
        // Without a precondition it may be done twice: the name is nobody else's.
        retry(&self.policy, || {
            self.with_token(|| {
                let mut reader = Cursor::new(&body);
                let content = SendBody::from_reader(&mut reader);
                let answer = success("POST", &url, self.send("POST", &url, &headers, content)?)?;
                let answer = read_json("POST", &url, answer)?;
                Ok(ObjectMeta::parse("POST", &url, &answer)?)
            })
        })
    }
}
