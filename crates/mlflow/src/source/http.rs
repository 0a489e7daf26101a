//! The tracking server, by whichever of its routes serves best.

use std::sync::OnceLock;
use std::time::Duration;

use transport::{Policy, retry};
use ureq::Body;
use ureq::http::header::{CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED};
use ureq::http::{Response, StatusCode};

use super::{Entry, Opened, Resume, Source};
use crate::absent;
use crate::api::FileInfo;
use crate::client::{Client, Software};
use crate::encode::with_query;
use crate::error::Error;
use crate::location::{Location, Proxy, join};
use crate::resolved::Resolved;

const MAX_DEPTH: usize = 64;
const MAX_ENTRIES: usize = 1_000_000;
/// MLflow 2 has four workers, and one listing takes one of them.
const LISTERS: usize = 4;

/// A model whose files the server serves.
pub struct Served<'a> {
    client: &'a Client,
    /// The proxy's server, where that is another one.
    proxy: Option<Client>,
    resolved: &'a Resolved,
    proxied: Option<String>,
    direct: OnceLock<bool>,
}

impl<'a> Served<'a> {
    /// `None` where the server has no route to these files.
    pub fn new(client: &'a Client, resolved: &'a Resolved) -> Result<Option<Self>, Error> {
        let (proxy, proxied) = match &resolved.location {
            Location::Proxied { proxy, path } => {
                let other = match proxy {
                    Proxy::Tracking => None,
                    Proxy::Host(host) => Some(client.server.at_host(host)?),
                    Proxy::Server(server) => Some(server.clone()),
                };
                (other.map(|server| client.elsewhere(server)).transpose()?, Some(path.clone()))
            }
            _ => (None, None),
        };
        let served = &resolved.served;
        if proxied.is_none() && served.run.is_none() && served.logged.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { client, proxy, resolved, proxied, direct: OnceLock::new() }))
    }

    fn proxy(&self) -> &Client {
        self.proxy.as_ref().unwrap_or(self.client)
    }

    /// One directory below the model's, as paths relative to the model's.
    fn directory(&self, below: &str) -> Result<Vec<FileInfo>, Error> {
        let served = &self.resolved.served;
        let (listed, root) = if let Some((id, root)) = &served.logged {
            (self.client.list_logged(id, &join(root, below)), root.as_str())
        } else if let Some((id, root)) = &served.run {
            (self.client.list_run(id, &join(root, below)), root.as_str())
        } else {
            let root = self.proxied.as_deref().unwrap_or_default();
            let names = self.proxy().list_proxied(&join(root, below)).map(|mut files| {
                // Names only; the others give whole paths.
                for file in &mut files {
                    file.path = join(&join(root, below), &file.path);
                }
                files
            });
            (names, root)
        };
        let listed = listed.map_err(|error| {
            self.client.explain(format!("cannot list '{}'", self.resolved.uri), error)
        })?;
        let here = join(root, below);
        let mut files = Vec::with_capacity(listed.len());
        for mut file in listed {
            // Some stores list the directory itself among its content.
            if file.path == "." || file.path.trim_end_matches('/') == here {
                continue;
            }
            file.path = strictly_below(&file.path, &here)
                .map(|name| join(below, name))
                .ok_or_else(|| {
                    let path = file.path.escape_debug();
                    Error::broken(format!("listed path '{path}' is not in directory '{here}'"))
                })?;
            files.push(file);
        }
        Ok(files)
    }

    /// Where a file is best read: see [`Software`].
    fn url(&self, entry: &Entry) -> Result<(&Client, String), Error> {
        let served = &self.resolved.served;
        let at_run = served.run.as_ref().map(|(run_id, root)| {
            let path = join(root, &entry.path);
            with_query("/get-artifact", &[("run_uuid", run_id), ("path", &path)])
        });
        if let Some(root) = &self.proxied {
            // MLflow 2's proxy puts names into a header that takes ASCII only.
            let by_run = |_: &String| {
                self.proxy.is_none()
                    && self.client.software() == Software::Gunicorn
                    && (!entry.path.is_ascii() || self.is_direct())
            };
            if let Some(route) = at_run.filter(by_run) {
                return Ok((self.client, self.client.server.url(&route)));
            }
            return Ok((self.proxy(), self.proxy().server.artifact(&join(root, &entry.path))));
        }
        if let Some((id, root)) = &served.logged {
            let path = join(root, &entry.path);
            let route = format!("/ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files");
            let route = with_query(&route, &[("artifact_file_path", &path)]);
            return Ok((self.client, self.client.server.url(&route)));
        }
        let route = at_run.ok_or_else(|| Error::broken("the server has no route to the files"))?;
        Ok((self.client, self.client.server.url(&route)))
    }

    /// Whether `/get-artifact` sends files from where they are. From a remote
    /// store MLflow 2 makes a copy first and forgets it in its /tmp, at each
    /// request: the file is then as new as the answer.
    fn is_direct(&self) -> bool {
        *self.direct.get_or_init(|| {
            let Some((run_id, root)) = &self.resolved.served.run else { return false };
            let path = join(root, "MLmodel");
            let route = with_query("/get-artifact", &[("run_uuid", run_id), ("path", &path)]);
            let answer = self.client.head(&self.client.server.url(&route));
            let headers = answer.as_ref().map(Response::headers);
            headers.is_ok_and(|headers| {
                let changed = headers.get(LAST_MODIFIED);
                changed.is_some() && changed != headers.get(DATE)
            })
        })
    }
}

impl Source for Served<'_> {
    fn list(&self) -> Result<Vec<Entry>, Error> {
        let mut files = Vec::new();
        let mut level = vec![String::new()];
        for depth in 0.. {
            if depth > MAX_DEPTH || files.len() + level.len() > MAX_ENTRIES {
                return Err(Error::broken(format!(
                    "the listing of '{}' has no end",
                    self.resolved.uri
                )));
            }
            let listed = transport::for_each(level, LISTERS, |below| self.directory(&below))?;
            let (below, found): (Vec<_>, Vec<_>) =
                listed.into_iter().flatten().partition(|file| file.is_dir);
            files.extend(found);
            level = below.into_iter().map(|file| file.path).collect();
            if level.is_empty() {
                break;
            }
        }
        if files.is_empty() {
            return Err(absent::artifacts(self.client, self.resolved));
        }
        let entry =
            |file: FileInfo| Entry { path: file.path, size: file.file_size, ..Entry::default() };
        Ok(files.into_iter().map(entry).collect())
    }

    fn open(&self, entry: &Entry, resume: Option<&Resume>) -> Result<Opened, Error> {
        let (client, url) = self.url(entry)?;
        let from = resume.map(|resume| (resume.offset, resume.validator.as_str()));
        let opened = client.open(&url, from).and_then(|response| match opened(response, resume) {
            Some(opened) => Ok(opened),
            None => client.open(&url, None).map(whole),
        });
        opened.map_err(|error| {
            let refused = error.status().is_some_and(|status| matches!(status, 400 | 404 | 500));
            let error = client.explain(format!("cannot download '{}'", entry.path), error);
            if refused && entry.path.contains(['#', '%']) {
                return error.hinted(
                    "MLflow's servers cannot serve names with '#' or '%'; \
                     copy the directory from the store and give that",
                );
            }
            error
        })
    }

    /// A logged model never changes. What lies in a run may be written again:
    /// its file is asked for one byte, and for what it is called.
    fn is_still(&self, entry: &Entry, validator: Option<&str>) -> bool {
        if self.resolved.served.logged.is_some() || entry.size == Some(0) {
            return true;
        }
        let (Some(validator), Ok((client, url))) = (validator, self.url(entry)) else {
            return false;
        };
        let answer = retry(&self.retries(), || client.look(&url, validator));
        match answer {
            Ok(answer) => validator_of(&answer).as_deref() == Some(validator),
            Err(error) => error.status() == Some(304),
        }
    }

    fn retries(&self) -> Policy {
        self.client.retries()
    }
}

/// What was asked for, or the whole file from a server that does not know
/// ranges or has other content by now; nothing if it is another part of a file.
fn opened(response: Response<Body>, resume: Option<&Resume>) -> Option<Opened> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Some(whole(response));
    }
    let resume = resume?;
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let begins = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
    let validator = validator_of(&response);
    let fits = begins.and_then(|first| first.parse().ok()) == Some(resume.offset)
        && validator.as_ref().is_none_or(|now| *now == resume.validator);
    fits.then(|| Opened {
        offset: resume.offset,
        validator: Some(resume.validator.clone()),
        content: Box::new(response.into_body().into_reader()),
    })
}

fn whole(response: Response<Body>) -> Opened {
    Opened {
        offset: 0,
        validator: validator_of(&response),
        content: Box::new(response.into_body().into_reader()),
    }
}

/// What `If-Range` takes: an ETag that promises the same bytes, or a date that
/// was long over when the answer was made.
fn validator_of(response: &Response<Body>) -> Option<String> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(etag) = header(ETAG) {
        return Some(etag.to_owned()).filter(|etag| etag.starts_with('"'));
    }
    let (changed, now) = (header(LAST_MODIFIED)?, header(DATE)?);
    let age = httpdate::parse_http_date(now).ok()?;
    let age = age.duration_since(httpdate::parse_http_date(changed).ok()?).ok()?;
    (age >= Duration::from_secs(60)).then(|| changed.to_owned())
}

/// The rest of a path in a directory: one component.
fn strictly_below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let rest = match directory {
        "" => path,
        _ => path.strip_prefix(directory)?.strip_prefix('/')?,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    (!matches!(rest, "" | "." | "..") && !rest.contains('/')).then_some(rest)
}
