//! A resumable session: one PUT that streams, taken up at the service's offset
//! when it breaks.

use std::io::Cursor;

use transport::{HttpError, retry, success};
use ureq::SendBody;

use super::call::with_query;
use super::upload::{Counted, Insert, metadata, open, query_refs, written};
use super::{ObjectMeta, Storage};
use crate::Error;

/// An upload under way.
struct Session {
    uri: String,
    /// So much the service has.
    offset: u64,
    /// Something was sent since that was known.
    unsure: bool,
}

/// A session that has ended its life: the upload begins anew.
fn is_gone(error: &Error) -> bool {
    matches!(error.status(), Some(404 | 410))
}

enum Persisted {
    Until(u64),
    All(ObjectMeta),
}

impl Storage {
    pub(super) fn resumable(
        &self,
        insert: &Insert,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<ObjectMeta, Error> {
        let mut session = self.start(insert)?;
        let mut restarts = 0;
        loop {
            match retry(&self.policy, || self.turn(insert, &mut session, sent)) {
                Ok(Some(object)) => return Ok(object),
                // It got further, so the count of failures begins anew.
                Ok(None) => {}
                Err(error) if is_gone(&error) && restarts < self.policy.retries => {
                    restarts += 1;
                    session = self.start(insert)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks how far the service got, where that is not known, and sends the rest.
    fn turn(
        &self,
        insert: &Insert,
        session: &mut Session,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<Option<ObjectMeta>, Error> {
        if session.unsure {
            match self.with_token(|| self.persisted(insert, &session.uri))? {
                Persisted::All(object) => return Ok(Some(object)),
                Persisted::Until(there) => {
                    session.unsure = false;
                    if there > session.offset {
                        session.offset = there;
                        return Ok(None);
                    }
                }
            }
        }
        session.unsure = true;
        let offset = session.offset;
        self.with_token(|| self.put(insert, &session.uri, offset, sent)).map(Some)
    }

    fn start(&self, insert: &Insert) -> Result<Session, Error> {
        let metadata = metadata(insert);
        let headers = [
            ("content-type", "application/json; charset=UTF-8".to_owned()),
            ("content-length", metadata.len().to_string()),
            ("x-upload-content-type", "application/octet-stream".to_owned()),
            ("x-upload-content-length", insert.size.to_string()),
        ];
        let (url, query) = self.upload_url(insert, "resumable");
        retry(&self.policy, || {
            self.with_token(|| {
                let mut body = Cursor::new(&metadata);
                let body = SendBody::from_reader(&mut body);
                let answer =
                    self.send("POST", &with_query(&url, &query_refs(&query)), &headers, body)?;
                let answer = success("POST", &url, answer)?;
                let location =
                    answer.headers().get("location").and_then(|value| value.to_str().ok());
                let location = location.map(str::to_owned);
                location.map(|uri| Session { uri, offset: 0, unsure: false }).ok_or_else(|| {
                    HttpError::unreadable("POST", &url, &"the answer names no upload session")
                        .into()
                })
            })
        })
    }

    /// Sends all that is not there yet.
    fn put(
        &self,
        insert: &Insert,
        session: &str,
        offset: u64,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<ObjectMeta, Error> {
        let size = insert.size;
        let headers = [
            ("content-length", (size - offset).to_string()),
            ("content-range", format!("bytes {offset}-{}/{size}", size - 1)),
            ("x-goog-hash", format!("crc32c={}", insert.crc32c)),
        ];
        let mut content = Counted { inner: open(insert.content, offset)?, sent };
        let answer = self.send("PUT", session, &headers, SendBody::from_reader(&mut content))?;
        if answer.status().as_u16() == 308 {
            let message = "the service wants more bytes than the file has";
            return Err(HttpError::no_answer("PUT", session, &message).into());
        }
        written(insert, "PUT", session, answer)
    }

    /// How far the service got.
    fn persisted(&self, insert: &Insert, session: &str) -> Result<Persisted, Error> {
        let size = insert.size;
        let headers =
            [("content-length", "0".to_owned()), ("content-range", format!("bytes */{size}"))];
        let answer = self.send("PUT", session, &headers, SendBody::none())?;
        if answer.status().as_u16() != 308 {
            return written(insert, "PUT", session, answer).map(Persisted::All);
        }
        let range = answer.headers().get("range").and_then(|value| value.to_str().ok());
        let last = range.and_then(|range| range.strip_prefix("bytes=0-")?.parse::<u64>().ok());
        let there = last.map_or(0, |last| last.saturating_add(1));
        if there > size {
            let message = format!("the service has {there} bytes of a file of {size}");
            return Err(HttpError::unreadable("PUT", session, &message).into());
        }
        Ok(Persisted::Until(there))
    }
}
