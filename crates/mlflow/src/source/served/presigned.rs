//! Files straight from the store, by URLs that the server makes (MLflow 3.15 and
//! later, S3 alone): the server would copy each file to its /tmp first.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use transport::{HttpError, no_answer, success};
use ureq::Body;
use ureq::http::Response;
use ureq::http::header::RANGE;

use super::Served;
use crate::client::Software;
use crate::encode::path_segments;
use crate::location::{Location, join};
use crate::source::Entry;

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

    /// A URL is good for minutes, and each attempt has one of its own. The store
    /// is told nothing of who we are at MLflow, and is no part of MLflow's
    /// promises: who asks for a range looks what came.
    pub(super) fn open_presigned(
        &self,
        entry: &Entry,
        range: Option<&str>,
    ) -> Result<Response<Body>, HttpError> {
        let made = self.presigned(entry)?;
        let mut request = self.client.stranger(&made.url)?.get(&made.url);
        for (name, value) in &made.headers {
            request = request.header(name, value);
        }
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        let answer = request.call().map_err(|error| no_answer("GET", &made.url, error))?;
        success("GET", &made.url, answer)
    }

    fn presigned(&self, entry: &Entry) -> Result<Presigned, HttpError> {
        if let Some(root) = &self.proxied {
            let path = path_segments(&join(root, &entry.path));
            let route = format!("/api/2.0/mlflow-artifacts/presigned/{path}");
            return self.proxy().get(&route, &[]);
        }
        let (id, root) = self.resolved.served.run.clone().unwrap_or_default();
        let body = json!({"run_id": id, "path": join(&root, &entry.path)});
        self.client.post("/api/2.0/mlflow/artifacts/presigned-download-url", &body)
    }
}
