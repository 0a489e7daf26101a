//! Files straight from the store, by URLs that the server makes (MLflow 3.15 and
//! later, S3 alone): the server would copy each file to its /tmp first.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use serde::Deserialize;
use serde_json::json;
use transport::{HttpError, no_answer, success};
use ureq::http::header::RANGE;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::Served;
use super::answer::{opened, validator_of, whole};
use crate::client::Software;
use crate::encode::path_segments;
use crate::location::{Location, join};
use crate::source::ahead::{Ahead, PART, Turn};
use crate::source::{Entry, Opened, Resume};

#[derive(Deserialize)]
struct Presigned {
    #[serde(alias = "presigned_url")]
    url: String,
    /// That the store wants with it.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl Served<'_> {
    /// Whether the server makes such URLs. What it says of itself, once, is about
    /// its proxy's store; of a run that is kept elsewhere it tells when it is
    /// asked for the first URL.
    pub(super) fn has_urls(&self) -> bool {
        if self.proxied.is_none() {
            let in_s3 =
                matches!(&self.resolved.location, Location::Other { scheme, .. } if scheme == "s3");
            return in_s3
                && self.resolved.served.run.is_some()
                && self.client.software() == Software::Uvicorn;
        }
        *self.urls.get_or_init(|| {
            let proxy = self.proxy();
            proxy.software() == Software::Uvicorn
                && proxy.server_info().is_ok_and(|info| info.multipart_downloads_enabled)
        })
    }

    /// A URL is good for minutes, and each attempt has one of its own.
    pub(super) fn link(&self, entry: &Entry) -> Result<Link, HttpError> {
        let Presigned { url, headers } = self.presigned(entry)?;
        let is_patient = self.client.retries().retries > 0;
        Ok(Link { agent: self.client.stranger(&url)?, url, headers, is_patient })
    }

    fn presigned(&self, entry: &Entry) -> Result<Presigned, HttpError> {
        if let Some(root) = &self.proxied {
            let path = path_segments(&join(root, &entry.path));
            let route = format!("/api/2.0/mlflow-artifacts/presigned/{path}");
            return self.proxy().get_once(&route, &[]);
        }
        let (id, root) = self.resolved.served.run.clone().unwrap_or_default();
        let body = json!({"run_id": id, "path": join(&root, &entry.path)});
        self.client.post_once("/api/2.0/mlflow/artifacts/presigned-download-url", &body)
    }
}

/// A file of the store. The store is told nothing of who we are at MLflow, and is no
/// part of MLflow's promises: who asks for a range looks what came.
#[derive(Clone)]
pub(super) struct Link {
    agent: Agent,
    url: String,
    headers: BTreeMap<String, String>,
    is_patient: bool,
}

impl Link {
    /// What the store has may be another part, or a part of something else: then it
    /// is all of it.
    pub(super) fn open(
        &self,
        size: Option<u64>,
        resume: Option<&Resume>,
    ) -> Result<Opened, HttpError> {
        let offset = resume.map_or(0, |resume| resume.offset);
        let end = size.unwrap_or_default();
        if let Some(turn) = Turn::take(end.saturating_sub(offset))
            && let Some(opened) = self.open_ahead(turn, offset..end, resume)?
        {
            return Ok(opened);
        }
        let range = resume.map(|resume| format!("bytes={}-", resume.offset));
        match opened(self.get(range.as_deref())?, resume) {
            Some(opened) => Ok(opened),
            None => Ok(whole(self.get(None)?)),
        }
    }

    /// A connection may break at any time, and the store is worth a second try.
    pub(super) fn get(&self, range: Option<&str>) -> Result<Response<Body>, HttpError> {
        match self.get_once(range) {
            Err(error) if self.is_patient && error.status().is_none() => self.get_once(range),
            done => done,
        }
    }

    fn get_once(&self, range: Option<&str>) -> Result<Response<Body>, HttpError> {
        let mut request = self.agent.get(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        let answer = request.call().map_err(|error| no_answer("GET", &self.url, error))?;
        success("GET", &self.url, answer)
    }

    /// A large file over several connections, where the store knows ranges and says
    /// what they are of. Nothing where something has changed.
    fn open_ahead(
        &self,
        turn: Turn,
        all: Range<u64>,
        resume: Option<&Resume>,
    ) -> Result<Option<Opened>, HttpError> {
        let response = self.get(Some(&bytes(&(all.start..all.start + PART))))?;
        let validator = resume.map(|resume| resume.validator.clone());
        let Some(validator) = validator.or_else(|| validator_of(&response)) else {
            return Ok(None);
        };
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        let resume = Resume { offset: all.start, validator };
        let Some(first) = opened(response, Some(&resume)) else { return Ok(None) };
        if !is_part {
            return Ok(Some(first));
        }
        let (link, validator) = (self.clone(), resume.validator);
        let part = move |range: Range<u64>| {
            let response = link.get(Some(&bytes(&range))).map_err(io::Error::other)?;
            let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
            let resume = Resume { offset: range.start, validator: validator.clone() };
            let part = opened(response, Some(&resume)).filter(|_| is_part);
            part.map(|part| part.content)
                .ok_or_else(|| io::Error::other("it has changed meanwhile"))
        };
        let content = Box::new(Ahead::new(turn, all, first.content, part));
        Ok(Some(Opened { content, ..first }))
    }
}

fn bytes(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end - 1)
}
