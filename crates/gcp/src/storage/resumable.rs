//! A resumable session: one PUT that streams, taken up at the service's offset
//! when it breaks, by this process or by one after it.
//!
//! The request that brings the last byte is the one that may carry the CRC-32C
//! for the whole object (`X-Goog-Hash`); a PUT of all the rest is that request.

use std::io::Cursor;

use transport::{HttpError, Transient as _, retry, success};
use ureq::SendBody;

use super::call::{Idempotency, with_query};
use super::content::Content;
use super::journal::Journal;
use super::note::Slot;
use super::upload::{Insert, is_unreadable, metadata, query_refs, written};
use super::{ObjectMeta, Storage};
use crate::Error;

/// An upload under way.
struct Upload<'a> {
    storage: &'a Storage,
    insert: &'a Insert<'a>,
    idempotency: Idempotency,
    content: Content<'a>,
    slot: Option<Slot>,
}

/// The service's side of it.
struct Session {
    uri: String,
    /// So much the service has.
    offset: u64,
    /// Something was sent since that was known.
    unsure: bool,
    /// Another process began it, and it has not answered yet.
    inherited: bool,
}

impl Session {
    /// Has it ended its life, so that the upload begins anew?
    fn is_gone(&self, error: &Error) -> bool {
        match error.status() {
            Some(404 | 410) => true,
            // What a session of days ago says that is not what it is asked.
            Some(400 | 409 | 499) => self.inherited,
            _ => false,
        }
    }
}

enum Persisted {
    Until(u64),
    All(ObjectMeta),
}

impl Storage {
    pub(super) fn resumable(
        &self,
        insert: &Insert,
        journal: Option<&Journal>,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<ObjectMeta, Error> {
        let mut upload = Upload {
            storage: self,
            insert,
            idempotency: Idempotency::new(),
            content: Content::new(insert, sent, &self.line),
            slot: journal.and_then(|journal| journal.slot(&self.root, insert)),
        };
        let done = upload.run();
        let goes_on = done.as_ref().is_err_and(may_go_on);
        if let Some(slot) = upload.slot.as_mut().filter(|_| !goes_on) {
            slot.forget();
        }
        done
    }
}

/// Whether the next run may take up what this one leaves.
fn may_go_on(error: &Error) -> bool {
    error.is_transient()
        || matches!(error, Error::Credentials(_) | Error::Local { .. } | Error::Stopped)
        || matches!(error.status(), Some(401 | 403))
}

impl Upload<'_> {
    fn run(&mut self) -> Result<ObjectMeta, Error> {
        let policy = &self.storage.policy;
        let mut session = match self.resumed()? {
            Some(session) => session,
            None => self.start()?,
        };
        let mut restarts = 0;
        loop {
            match retry(policy, || self.turn(&mut session)) {
                Ok(Some(object)) => return Ok(object),
                // It got further, so the count of failures begins anew.
                Ok(None) => {}
                Err(error) if session.is_gone(&error) && restarts < policy.retries => {
                    restarts += 1;
                    session = self.start()?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The session of an earlier run, if the file is still what that run sent.
    fn resumed(&mut self) -> Result<Option<Session>, Error> {
        let Some((note, untouched)) = self.slot.as_mut().and_then(Slot::resume) else {
            return Ok(None);
        };
        let (uri, offset, bound) = (note.session.clone(), note.offset, note.bound);
        let as_sent = note.prefix() == Some(self.content.sum(offset)?);
        if !(as_sent && untouched)
            && self.content.sum(self.insert.size)?.to_string() != self.insert.crc32c
        {
            return Err(Error::Changed { path: self.content.path() });
        }
        if !as_sent {
            return Ok(None);
        }
        log::debug!("going on with the upload of '{}'", self.content.path());
        self.content.reached = bound;
        Ok(Some(Session { uri, offset: 0, unsure: true, inherited: true }))
    }

    /// Asks how far the service got, where that is not known, and sends the rest.
    fn turn(&mut self, session: &mut Session) -> Result<Option<ObjectMeta>, Error> {
        let storage = self.storage;
        if session.unsure {
            match storage.with_token(|| self.persisted(&session.uri))? {
                Persisted::All(object) => return Ok(Some(object)),
                Persisted::Until(there) => {
                    let got_further = there > session.offset;
                    session.offset = there;
                    (session.unsure, session.inherited) = (false, false);
                    if got_further {
                        return Ok(None);
                    }
                }
            }
        }
        session.unsure = true;
        let (uri, offset) = (&session.uri, session.offset);
        storage.with_token(|| self.put(uri, offset)).map(Some)
    }

    fn start(&mut self) -> Result<Session, Error> {
        let Self { storage, insert, .. } = *self;
        let metadata = metadata(insert);
        let headers = [
            ("content-type", "application/json; charset=UTF-8".to_owned()),
            ("content-length", metadata.len().to_string()),
            ("x-upload-content-type", "application/octet-stream".to_owned()),
            ("x-upload-content-length", insert.size.to_string()),
            self.idempotency.header(),
        ];
        let (url, query) = storage.upload_url(insert, "resumable");
        let url = with_query(&url, &query_refs(&query));
        let uri = retry(&storage.policy, || {
            storage.with_token(|| {
                let mut body = Cursor::new(&metadata);
                let body = SendBody::from_reader(&mut body);
                let answer = success("POST", &url, storage.send("POST", &url, &headers, body)?)?;
                let location = answer.headers().get("location");
                let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
                location.ok_or_else(|| {
                    let message = "the answer names no upload session";
                    HttpError::unreadable("POST", &url, &message).into()
                })
            })
        })?;
        if let Some(slot) = &mut self.slot {
            slot.begin(&uri);
        }
        Ok(Session { uri, offset: 0, unsure: false, inherited: false })
    }

    /// Sends all that is not there yet.
    fn put(&mut self, session: &str, offset: u64) -> Result<ObjectMeta, Error> {
        let Insert { size, crc32c, .. } = *self.insert;
        let range = if offset == size {
            format!("bytes */{size}")
        } else {
            format!("bytes {offset}-{}/{size}", size - 1)
        };
        let headers = [
            ("content-length", (size - offset).to_string()),
            ("content-range", range),
            ("x-goog-hash", format!("crc32c={crc32c}")),
            self.idempotency.header(),
        ];
        let mut outgoing = self.content.from(offset, self.slot.as_mut())?;
        let body = SendBody::from_reader(&mut outgoing);
        let answer = self.storage.send("PUT", session, &headers, body);
        let answer = answer.map_err(|error| self.content.explain(error))?;
        if answer.status().as_u16() == 308 {
            let message = "the service wants more bytes than the file has";
            return Err(HttpError::no_answer("PUT", session, &message).into());
        }
        written(self.insert, "PUT", session, answer).map_err(|error| {
            // What came of it is not known: the session is asked.
            if is_unreadable(&error) {
                HttpError::no_answer("PUT", session, &error).into()
            } else {
                error
            }
        })
    }

    /// How far the service got.
    fn persisted(&self, session: &str) -> Result<Persisted, Error> {
        let size = self.insert.size;
        let headers =
            [("content-length", "0".to_owned()), ("content-range", format!("bytes */{size}"))];
        let answer = self.storage.send("PUT", session, &headers, SendBody::none())?;
        if answer.status().as_u16() != 308 {
            let object = match written(self.insert, "PUT", session, answer) {
                Err(error) if is_unreadable(&error) => {
                    self.storage.there(self.insert)?.ok_or(error)?
                }
                written => written?,
            };
            return Ok(Persisted::All(object));
        }
        let range = answer.headers().get("range").and_then(|value| value.to_str().ok());
        let there = range.map_or(0, persisted);
        let sent = self.content.reached;
        if there > size || there > sent {
            return Err(Error::Ahead { path: self.content.path(), there, sent });
        }
        Ok(Persisted::Until(there))
    }
}

/// How many bytes a `Range` says are there: those from the first one on.
pub(super) fn persisted(range: &str) -> u64 {
    let last = range.strip_prefix("bytes=0-").and_then(|last| last.parse::<u64>().ok());
    last.map_or(0, |last| last.saturating_add(1))
}
