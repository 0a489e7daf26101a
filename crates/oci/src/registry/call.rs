//! One request: credentials, the log, redirects, errors.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use log::debug;
use transport::{Answer, HttpError, Paced, may_carry_credentials, no_answer, redact, success};
use ureq::SendBody;
use ureq::http::Request;
use url::Url;

use super::Registry;
use crate::Error;

/// Registries need not take larger manifests, and do not give any.
const MAX_DOCUMENT: u64 = 4 * 1024 * 1024;

/// Docker Hub takes one redirect to its blobs, others two.
const MAX_REDIRECTS: u8 = 5;

/// A request that can be made again.
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Content<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// A whole file; `sent` hears of its bytes as they go out.
    File {
        path: &'a Path,
        sent: &'a (dyn Fn(u64) + Sync),
    },
}

impl<'a> Call<'a> {
    pub(super) fn new(method: &'static str, url: String) -> Self {
        Self { method, url, headers: Vec::new(), body: Content::Nothing }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Content<'a>) -> Self {
        self.body = body;
        self
    }
}

impl Registry {
    /// Sends it, again with what the registry asks for where it says 401, and
    /// follows redirects of what is only read. Any other status is an answer.
    pub(super) fn send(&self, call: &Call) -> Result<Answer, Error> {
        let mut answer = self.with_credentials(call)?;
        let mut url = call.url.clone();
        for _ in 0..MAX_REDIRECTS {
            let moved = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !moved || !matches!(call.method, "GET" | "HEAD") {
                break;
            }
            url = location(call.method, &url, &answer)?;
            let headers = call.headers.clone();
            let next = Call { url: url.clone(), headers, body: Content::Nothing, ..*call };
            answer = self.with_credentials(&next)?;
        }
        Ok(answer)
    }

    /// The same where anything but success is an error.
    pub(super) fn expect(&self, call: &Call) -> Result<Answer, Error> {
        Ok(success(call.method, &call.url, self.send(call)?)?)
    }

    fn with_credentials(&self, call: &Call) -> Result<Answer, Error> {
        if !self.is_own(&call.url) {
            // Another host: signed by the registry, or open to all.
            if !may_carry_credentials(&call.url) && self.root.starts_with("https:") {
                return Err(Error::ClearText { url: redact(&call.url) });
            }
            return self.once(call, None);
        }
        let header = self.auth.header(&call.url)?;
        let answer = self.once(call, header.as_deref())?;
        if answer.status() != 401 {
            return Ok(answer);
        }
        match self.auth.another(&call.url, header.as_deref(), &answer)? {
            Some(header) => self.once(call, Some(&header)),
            None => Ok(answer),
        }
    }

    fn is_own(&self, url: &str) -> bool {
        let origin = |url: &str| Url::parse(url).map(|url| url.origin());
        matches!((origin(url), origin(&self.root)), (Ok(a), Ok(b)) if a == b)
    }

    fn once(&self, call: &Call, authorization: Option<&str>) -> Result<Answer, Error> {
        let Call { method, url, headers, body } = call;
        let mut request = Request::builder().method(*method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        debug!("{method} {}", redact(url));
        let unreadable = |error| HttpError::unreadable(method, url, &error);
        let answer = match body {
            Content::Nothing => {
                let length = if matches!(*method, "POST" | "PUT") { Some("0") } else { None };
                if let Some(length) = length {
                    request = request.header("content-length", length);
                }
                self.agent.run(request.body(SendBody::none()).map_err(unreadable)?)
            }
            Content::Bytes(bytes) => self.agent.run(request.body(*bytes).map_err(unreadable)?),
            Content::File { path, sent } => {
                let local = |source| Error::Read { path: (*path).to_owned(), source };
                let file = File::open(path).map_err(local)?;
                let size = file.metadata().map_err(local)?.len();
                let mut counted = Counted { inner: Paced(file), sent: *sent };
                let request = request.header("content-length", size);
                let body = SendBody::from_reader(&mut counted);
                self.agent.run(request.body(body).map_err(unreadable)?)
            }
        };
        answer.map_err(|error| no_answer(method, url, error).into())
    }
}

/// Where an answer sends the next request, in full.
pub(super) fn location(
    method: &'static str,
    url: &str,
    answer: &Answer,
) -> Result<String, HttpError> {
    let target = answer.headers().get("location").and_then(|value| value.to_str().ok());
    let joined = target.and_then(|target| Url::parse(url).ok()?.join(target).ok());
    joined
        .map(String::from)
        .ok_or_else(|| HttpError::unreadable(method, url, &"the answer does not say where to go"))
}

pub(super) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// The whole of a small document.
pub(super) fn content(
    method: &'static str,
    url: &str,
    answer: Answer,
) -> Result<Vec<u8>, HttpError> {
    let mut content = Vec::new();
    let mut body = answer.into_body().into_reader().take(MAX_DOCUMENT + 1);
    body.read_to_end(&mut content).map_err(|error| HttpError::no_answer(method, url, &error))?;
    if content.len() as u64 > MAX_DOCUMENT {
        return Err(HttpError::unreadable(method, url, &"the answer is larger than 4 MiB"));
    }
    Ok(content)
}

/// A reader that tells how much went through.
struct Counted<'a, R> {
    inner: R,
    sent: &'a (dyn Fn(u64) + Sync),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.sent)(count as u64);
        Ok(count)
    }
}
