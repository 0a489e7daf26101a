//! A file into an object.
//!
//! Small files go in one multipart request; larger ones in a resumable session
//! and one PUT that streams, taken up at the service's offset when it breaks.
//! Either way the service is told the CRC-32C beforehand and refuses content
//! that does not have it, and every write names the generation it replaces.

use std::io::{Cursor, Read as _};
use std::path::Path;

use serde_json::json;
use transport::{Answer, HttpError, retry, success};
use ureq::SendBody;

use super::call::{Idempotency, read_json, with_query};
use super::content::Content;
use super::journal::Journal;
use super::{ObjectMeta, Storage, uri};
use crate::Error;

/// Up to this size a session costs more requests than it can save.
const MULTIPART_LIMIT: u64 = 8 * 1024 * 1024;

/// Separates the parts; a file that holds it by chance does no harm, since the
/// body's length is given and CRC-32C is checked.
const BOUNDARY: &str = "mlflow-aip-c2b7f0e4a9d64c1f8b35";

/// Where an object's bytes come from.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// A file, from a place in it on.
    File(&'a Path, u64),
    Bytes(&'a [u8]),
}

/// What is written where.
#[derive(Clone, Copy, Debug)]
pub struct Insert<'a> {
    pub bucket: &'a str,
    pub name: &'a str,
    pub content: Body<'a>,
    pub size: u64,
    /// As the service spells it.
    pub crc32c: &'a str,
    /// The generation this replaces; 0 where there must be none.
    pub replaces: u64,
}

impl Storage {
    /// Writes the object. `sent` hears of each byte once, and of those first
    /// that an earlier run, noted in the journal, has sent. An object that
    /// someone else has written meanwhile, with the same content, is as good.
    pub fn insert(
        &self,
        insert: &Insert,
        journal: Option<&Journal>,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<ObjectMeta, Error> {
        let once = |sent| {
            if insert.size <= MULTIPART_LIMIT {
                self.multipart(insert, sent)
            } else {
                self.resumable(insert, journal, sent)
            }
        };
        let mut done = once(sent);
        for _ in 0..self.policy.retries {
            let Some(error) = done.as_ref().err().filter(|error| error.is_damage()) else { break };
            log::warn!("sending '{}' again: {error}", insert.name);
            done = once(&|_| ());
        }
        match done {
            Err(error) if error.status() == Some(412) => self.there(insert)?.ok_or(error),
            done => done,
        }
    }

    /// The object, if it has this content.
    pub(super) fn there(&self, insert: &Insert) -> Result<Option<ObjectMeta>, Error> {
        let there = self.get(insert.bucket, insert.name)?;
        Ok(there.filter(|object| object.holds(insert.size, insert.crc32c)))
    }

    /// The request that begins it, as a dry run shows it.
    pub fn describe_insert(&self, insert: &Insert) -> String {
        let kind = if insert.size <= MULTIPART_LIMIT { "multipart" } else { "resumable" };
        let (url, query) = self.upload_url(insert, kind);
        let url = with_query(&url, &query_refs(&query));
        format!("POST {url} {}", metadata(insert))
    }

    fn multipart(&self, insert: &Insert, sent: &(dyn Fn(u64) + Sync)) -> Result<ObjectMeta, Error> {
        let metadata = metadata(insert);
        let head = format!(
            "--{BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n\
             --{BOUNDARY}\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let length = head.len() as u64 + insert.size + tail.len() as u64;
        let headers = [
            ("content-type", format!("multipart/related; boundary={BOUNDARY}")),
            ("content-length", length.to_string()),
            Idempotency::new().header(),
        ];
        let (url, query) = self.upload_url(insert, "multipart");
        let url = with_query(&url, &query_refs(&query));
        let mut content = Content::new(insert, sent, &self.line);
        retry(&self.policy, || {
            let written = self.with_token(|| {
                let outgoing = content.from(0, None)?;
                let mut body = Cursor::new(&head).chain(outgoing).chain(Cursor::new(&tail));
                let body = SendBody::from_reader(&mut body);
                let answer = self.send("POST", &url, &headers, body)?;
                written(insert, "POST", &url, answer)
            });
            match written {
                // It may have been done, or not: the bucket knows.
                Err(error) if is_unreadable(&error) => self.there(insert)?.ok_or(error),
                written => written,
            }
            .map_err(|error| content.explain(error))
        })
    }

    pub(super) fn upload_url(
        &self,
        insert: &Insert,
        kind: &'static str,
    ) -> (String, Vec<(&'static str, String)>) {
        let url = format!("{}/upload/storage/v1/b/{}/o", self.root, uri::segment(insert.bucket));
        let mut query = vec![
            ("uploadType", kind.to_owned()),
            ("name", insert.name.to_owned()),
            ("ifGenerationMatch", insert.replaces.to_string()),
        ];
        query.push(("fields", "name,size,crc32c,generation".into()));
        (url, query)
    }
}

/// The object that an answer describes; anything but the content that was
/// meant is not a success.
pub(super) fn written(
    insert: &Insert,
    method: &'static str,
    url: &str,
    answer: Answer,
) -> Result<ObjectMeta, Error> {
    let answer = read_json(method, url, success(method, url, answer)?)?;
    let object = ObjectMeta::parse(method, url, &answer)?;
    if object.holds(insert.size, insert.crc32c) {
        return Ok(object);
    }
    let message =
        format!("the object has {}, not {} with {}", object.content(), insert.size, insert.crc32c);
    Err(HttpError::unreadable(method, url, &message).into())
}

pub(super) fn metadata(insert: &Insert) -> String {
    json!({"name": insert.name, "crc32c": insert.crc32c}).to_string()
}

pub(super) fn query_refs<'a>(query: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    query.iter().map(|(key, value)| (*key, value.as_str())).collect()
}

/// A success whose details nobody can tell.
pub(super) fn is_unreadable(error: &Error) -> bool {
    matches!(error, Error::Http(HttpError::Unreadable { .. }))
}

#[cfg(test)]
impl<'a> Insert<'a> {
    pub(super) fn of(content: &'a Path) -> Self {
        let content = Body::File(content, 0);
        Self { bucket: "b", name: "n", content, size: 0, crc32c: "AAAAAA==", replaces: 0 }
    }
}
