//! The tracking server, by whichever of its routes serves best.

pub(super) mod answer;
pub(super) mod listing;
mod names;
mod presigned;
mod routes;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::Level;
use transport::{HttpError, Policy, Transient as _, retry};

use super::{Entry, Opened, Resume, Source};
use crate::absent;
use crate::api::FileInfo;
use crate::client::Client;
use crate::error::Error;
use crate::location::{Location, Proxy, join};
use crate::pages::MAX_ENTRIES;
use crate::resolved::Resolved;

use answer::{finish, is_copy, opened, validator_of, whole};
use routes::{Route, Routes, is_no_route};

const MAX_DEPTH: usize = 64;
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
    urls: OnceLock<bool>,
    /// Nothing is taken for unchanged because it should be.
    asks: bool,
    /// That the server turned out not to have.
    missing: Routes,
    /// That were spoken of.
    said: Routes,
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
        Ok(Some(Self {
            client,
            proxy,
            resolved,
            proxied,
            direct: OnceLock::new(),
            urls: OnceLock::new(),
            asks: false,
            missing: Routes::default(),
            said: Routes::default(),
        }))
    }

    /// Whether the server is asked even for what is written only once.
    #[must_use]
    pub fn asking(self, asks: bool) -> Self {
        Self { asks, ..self }
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
        listing::below(listed, root, below)
    }
}

impl Source for Served<'_> {
    fn list(&self) -> Result<Vec<Entry>, Error> {
        let served = &self.resolved.served;
        let roots = [&served.run, &served.logged].into_iter().flatten().map(|(_, root)| root);
        for root in roots.chain(&self.proxied) {
            names::check(root)?;
        }
        let mut files = Vec::new();
        let mut level = vec![String::new()];
        let endless =
            || Error::broken(format!("the listing of '{}' has no end", self.resolved.uri));
        let seen = AtomicUsize::new(0);
        // A level may have many directories, each of which has many entries.
        let directory = |below: String| {
            names::check(&below)?;
            let listed = self.directory(&below)?;
            let before = seen.fetch_add(listed.len(), Ordering::Relaxed);
            if before + listed.len() > MAX_ENTRIES { Err(endless()) } else { Ok(listed) }
        };
        for depth in 0.. {
            if depth > MAX_DEPTH {
                return Err(endless());
            }
            let listed = transport::for_each(level, LISTERS, directory)?;
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
        Ok(files.into_iter().map(listing::entry).collect())
    }

    fn open(&self, entry: &Entry, resume: Option<&Resume>) -> Result<Opened, Error> {
        let mut failure = None;
        for (route, why) in self.routes(entry) {
            match self.open_by(route, entry, resume) {
                Ok(opened) => {
                    if self.said.add(route) {
                        log::debug!("'{}' comes by {}, {why}", entry.path, self.name(route));
                    }
                    return Ok(opened);
                }
                Err(Failed::Here(error)) => return Err(self.refused(entry, error)),
                Err(Failed::Route { error, tell }) => {
                    // Unavailable may mean just now.
                    if error.status() != Some(503) && self.missing.add(route) {
                        log::log!(tell, "the files do not come by {}: {error}", self.name(route));
                    }
                    failure.get_or_insert(error);
                }
            }
        }
        Err(match failure {
            Some(error) => self.refused(entry, error),
            None => Error::broken("the server has no route to the files"),
        })
    }

    /// A logged model never changes once it is finished. What lies in a run may
    /// be written again: its file is asked for one byte, and for what it is called.
    fn is_still(&self, entry: &Entry, validator: Option<&str>) -> bool {
        let is_settled = self.resolved.served.never_changes() && !self.asks;
        if is_settled || entry.size == Some(0) {
            return true;
        }
        let Some(validator) = validator else { return false };
        for (route, _) in self.routes(entry) {
            let answer = retry(&self.retries(), || match self.url(route, entry) {
                Some((client, url)) => client.look(&url, validator),
                None => self.link(entry)?.get(Some("bytes=0-0")),
            });
            match answer {
                Ok(answer) => {
                    let same = validator_of(&answer).as_deref() == Some(validator);
                    finish(answer);
                    return same;
                }
                Err(error) if error.status() == Some(304) => return true,
                // Another route may know it; what it calls the file is compared.
                Err(_) => {}
            }
        }
        false
    }

    fn check(&self, entry: &Entry) -> Result<(), Error> {
        names::check(&entry.path)
    }

    fn retries(&self) -> Policy {
        self.client.retries()
    }
}

impl Served<'_> {
    fn open_by(
        &self,
        route: Route,
        entry: &Entry,
        resume: Option<&Resume>,
    ) -> Result<Opened, Failed> {
        let Some((client, url)) = self.url(route, entry) else {
            let link = self.link(entry).map_err(|error| {
                if error.is_transient() { Failed::of(error) } else { Failed::route(error) }
            })?;
            return link.open(entry.size, resume).map_err(|error| {
                // It may be out of reach for us, which is told at the first byte.
                let is_shut = error.status().is_none() || !error.is_transient();
                if resume.is_none() && is_shut {
                    Failed::Route { error, tell: Level::Info }
                } else {
                    Failed::of(error)
                }
            });
        };
        let open = |resume: Option<&Resume>| {
            let response =
                client.open(&url, resume.map(|it| (it.offset, it.validator.as_str())))?;
            let is_copy = route.copies() && is_copy(response.headers());
            Ok((response, is_copy))
        };
        let (response, is_copy) = open(resume).map_err(Failed::of)?;
        let (mut found, is_copy) = if let Some(found) = opened(response, resume) {
            (found, is_copy)
        } else {
            // Another part, or a part of something else.
            let (response, is_copy) = open(None).map_err(Failed::of)?;
            (whole(response), is_copy)
        };
        if is_copy {
            found.validator = None;
        }
        Ok(found)
    }

    fn refused(&self, entry: &Entry, error: HttpError) -> Error {
        self.client.explain(format!("cannot download '{}'", entry.path), error)
    }
}

/// Why a route did not lead to a file.
enum Failed {
    /// Another may; who is to hear of it.
    Route {
        error: HttpError,
        tell: Level,
    },
    Here(HttpError),
}

impl Failed {
    fn of(error: HttpError) -> Self {
        if is_no_route(&error) { Self::route(error) } else { Self::Here(error) }
    }

    fn route(error: HttpError) -> Self {
        Self::Route { error, tell: Level::Debug }
    }
}
