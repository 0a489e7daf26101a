//! One request: credentials, the log, errors.

use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;

use log::debug;
use serde_json::Value;
use transport::{Answer, HttpError, no_answer, redact, retry, success};
use ureq::SendBody;
use ureq::http::Request;

use super::{Header, Storage};
use crate::Error;

impl Storage {
    /// A request without a body whose answer is JSON. May be sent twice.
    pub(super) fn json(
        &self,
        method: &'static str,
        url: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, Error> {
        retry(&self.policy, || {
            let answer = self.plain(method, url, query, &[])?;
            read_json(method, url, answer)
        })
    }

    /// The same whose answer does not matter.
    pub(super) fn empty(
        &self,
        method: &'static str,
        url: &str,
        query: &[(&str, &str)],
    ) -> Result<(), Error> {
        retry(&self.policy, || self.plain(method, url, query, &[]).map(drop))
    }

    /// A request without a body, once.
    pub(super) fn plain(
        &self,
        method: &'static str,
        url: &str,
        query: &[(&str, &str)],
        headers: &[(&str, String)],
    ) -> Result<Answer, Error> {
        self.with_token(|| {
            let answer = self.send(method, &with_query(url, query), headers, SendBody::none())?;
            Ok(success(method, url, answer)?)
        })
    }

    /// Again with a new token where the old one has ended its life.
    pub(super) fn with_token<T>(
        &self,
        mut work: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        match work() {
            Err(error) if error.status() == Some(401) && self.credentials.renew() => work(),
            done => done,
        }
    }

    /// Any request, once; any status is an answer.
    pub(super) fn send(
        &self,
        method: &'static str,
        url: &str,
        headers: &[(&str, String)],
        body: SendBody,
    ) -> Result<Answer, Error> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        // An upload session's address is all that it takes to write to it. Where
        // it is on another host, nothing else goes there.
        if self.is_ours(url) {
            for (name, value) in self.credentials.headers(url)? {
                request = request.header(name, value);
            }
            for Header { name, value } in &self.headers {
                request = request.header(name, value);
            }
        }
        let request =
            request.body(body).map_err(|error| HttpError::unreadable(method, url, &error))?;
        debug!("{method} {}", redact(url));
        let is_content = method == "PUT" || (method == "GET" && url.contains("alt=media"));
        let agent = if is_content { &self.streams } else { &self.agent };
        Ok(agent.run(request).map_err(|error| no_answer(method, url, error))?)
    }

    fn is_ours(&self, url: &str) -> bool {
        url.strip_prefix(&self.root).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Marks the attempts of one write as one, for the service's own sake.
pub(super) struct Idempotency(String);

impl Idempotency {
    pub(super) fn new() -> Self {
        // The hasher's random keys are all the randomness it takes.
        let random = || RandomState::new().hash_one(());
        Self(format!("{:016x}{:016x}", random(), random()))
    }

    pub(super) fn header(&self) -> (&'static str, String) {
        ("x-goog-gcs-idempotency-token", self.0.clone())
    }
}

pub(super) fn with_query(url: &str, query: &[(&str, &str)]) -> String {
    let encode = |(key, value): &(&str, &str)| format!("{key}={}", super::uri::segment(value));
    let query: Vec<_> = query.iter().map(encode).collect();
    if query.is_empty() { url.to_owned() } else { format!("{url}?{}", query.join("&")) }
}

/// Several times what a page of a listing takes.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

pub(super) fn read_json(method: &'static str, url: &str, answer: Answer) -> Result<Value, Error> {
    let body = answer.into_body().into_reader().take(MAX_ANSWER);
    serde_json::from_reader(body).map_err(|error| {
        if error.is_io() {
            HttpError::no_answer(method, url, &error).into()
        } else {
            let message = format!("the answer is not JSON: {error}");
            HttpError::unreadable(method, url, &message).into()
        }
    })
}
