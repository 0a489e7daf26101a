//! Which routes lead to a file, the best one first.
//!
//! They differ in speed by 40, each way round in different versions, and each
//! can be missing: behind `--static-prefix`, under `--artifacts-only` or
//! `--no-serve-artifacts`, or because the server is older than the route.

use std::sync::atomic::{AtomicU8, Ordering};

use transport::HttpError;
use ureq::http::Response;
use ureq::http::header::LAST_MODIFIED;

use super::Served;
use super::answer::is_copy;
use crate::client::{Client, Software};
use crate::encode::with_query;
use crate::location::join;
use crate::resolved::Resolved;
use crate::source::Entry;
use crate::uri::{ModelUri, Selector};

/// From here on it is worth another request to spare the server the bytes.
const WORTH_A_URL: u64 = 8 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A URL of the store itself, made by the server.
    Presigned,
    Proxy,
    /// `/get-artifact`, as all below with the server's own access to the store.
    Run,
    Version,
    Logged,
}

impl Route {
    /// Whether the server may send a copy that it made for this answer.
    pub(super) fn copies(self) -> bool {
        matches!(self, Self::Run | Self::Version | Self::Logged)
    }
}

/// Some of the routes.
#[derive(Debug, Default)]
pub(super) struct Routes(AtomicU8);

impl Routes {
    fn has(&self, route: Route) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << route as u8) != 0
    }

    /// Whether it was not among them.
    pub(super) fn add(&self, route: Route) -> bool {
        let bit = 1 << route as u8;
        self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// Whether an error means that there is no such route here, rather than no such
/// file: MLflow's own answers have a code.
pub(super) fn is_no_route(error: &HttpError) -> bool {
    error.status() == Some(501)
        || error.code().is_none() && matches!(error.status(), Some(404 | 405 | 503))
}

impl Served<'_> {
    /// Routes, and why each is taken before those after it.
    pub(super) fn routes(&self, entry: &Entry) -> Vec<(Route, &'static str)> {
        let served = &self.resolved.served;
        let mut routes = Vec::new();
        if entry.size.is_some_and(|size| size >= WORTH_A_URL) && self.has_urls() {
            routes.push((Route::Presigned, "which spare the server a copy"));
        }
        let better = served.run.as_ref().and_then(|_| self.why_run(entry));
        let by_server = if self.proxied.is_some() {
            routes.push((Route::Proxy, self.why_proxy()));
            "as there is no better one"
        } else {
            "as the server can read the store"
        };
        if served.logged.is_some() {
            routes.push((Route::Logged, by_server));
        }
        if served.run.is_some() {
            let at = if better.is_some() { 0 } else { routes.len() };
            routes.insert(at, (Route::Run, better.unwrap_or(by_server)));
        }
        if version(self.resolved).is_some() {
            routes.push((Route::Version, by_server));
        }
        routes.retain(|(route, _)| !self.missing.has(*route));
        routes
    }

    /// What makes `/get-artifact` better than all others, where it is.
    fn why_run(&self, entry: &Entry) -> Option<&'static str> {
        if self.proxy.is_some() || self.client.software() != Software::Gunicorn {
            None
        } else if !entry.path.is_ascii() {
            // MLflow 2's proxy puts names into a header that takes ASCII only.
            Some("as the artifact proxy of MLflow 2 to 3.3 takes names in ASCII only")
        } else {
            self.is_direct().then_some("the faster route of MLflow 2 to 3.3")
        }
    }

    fn why_proxy(&self) -> &'static str {
        match self.proxy().software_seen() {
            Some(Software::Uvicorn) => "the faster route of MLflow 3.4 and later",
            Some(Software::Gunicorn) if self.resolved.served.run.is_some() => {
                "as /get-artifact of MLflow 2 to 3.3 would make a copy first"
            }
            _ => "where the files are",
        }
    }

    pub(super) fn name(&self, route: Route) -> &'static str {
        match route {
            Route::Presigned => "URLs of the store",
            Route::Proxy if self.proxy.is_some() => "the artifact proxy of another server",
            Route::Proxy => "the artifact proxy",
            Route::Run => "/get-artifact",
            Route::Version => "/model-versions/get-artifact",
            Route::Logged => "the route for logged models",
        }
    }

    /// Where a route leads; the presigned one is asked for.
    pub(super) fn url(&self, route: Route, entry: &Entry) -> Option<(&Client, String)> {
        let served = &self.resolved.served;
        let path = |root: &str| join(root, &entry.path);
        let here = |url: String| Some((self.client, self.client.server.url(&url)));
        match route {
            Route::Presigned => None,
            Route::Proxy => {
                let proxy = self.proxy();
                Some((proxy, proxy.server.artifact(&path(self.proxied.as_deref()?))))
            }
            Route::Run => {
                let (id, root) = served.run.as_ref()?;
                here(with_query("/get-artifact", &[("run_uuid", id), ("path", &path(root))]))
            }
            Route::Logged => {
                let (id, root) = served.logged.as_ref()?;
                let route = format!("/ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files");
                here(with_query(&route, &[("artifact_file_path", &path(root))]))
            }
            Route::Version => {
                let (name, number, root) = version(self.resolved)?;
                let query =
                    [("name", name), ("version", &number.to_string()), ("path", &path(root))];
                here(with_query("/model-versions/get-artifact", &query))
            }
        }
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
            headers.is_ok_and(|headers| headers.contains_key(LAST_MODIFIED) && !is_copy(headers))
        })
    }
}

/// Name, number and path below, where the model is a registered version.
fn version(resolved: &Resolved) -> Option<(&str, u64, &str)> {
    match &resolved.uri {
        ModelUri::Registered { name, selector: Selector::Version(number), path } => {
            Some((name, *number, path.as_deref().unwrap_or_default()))
        }
        _ => None,
    }
}
