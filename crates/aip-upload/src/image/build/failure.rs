//! Why there is no image, and what helps.

use std::sync::Arc;

use gcp::{Credentials, Service, logs};
use log::{debug, info};
use serde_json::Value;
use stage::Failure;

use super::CloudBuild;
use crate::image::refusal;

/// Of a failed build's log, so many lines are shown.
const LOG_LINES: usize = 20;

impl CloudBuild {
    /// The last lines of the build's own log, where they can be had.
    pub(super) fn show_log(&self, service: &Service, credentials: Arc<Credentials>, build: &Value) {
        let Some(root) = gcp::logging_endpoint(service.api().root()) else { return };
        let filter = logs::of_build(&self.project, build["id"].as_str().unwrap_or_default());
        let lines = Service::new(root, credentials)
            .and_then(|logging| logs::last_lines(&logging, &self.project, &filter, LOG_LINES));
        match lines {
            Ok(lines) => lines.iter().for_each(|line| info!("build: {line}")),
            Err(error) => debug!("cannot read the build's log: {error}"),
        }
    }

    pub(super) fn failed(
        &self,
        build: &Value,
        status: &str,
        detail: Option<String>,
        kind: Option<&str>,
    ) -> Failure {
        let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
        let id = build["id"].as_str().unwrap_or_default();
        let failure = Failure::failed(format!("cannot build the image '{}'", self.to))
            .because(format!("build '{id}' ended with {status}{detail}"))
            .hint(self.next_step(status, kind));
        match build["logUrl"].as_str() {
            Some(url) => failure.hint(format!("its log: {url}")),
            None => failure,
        }
    }

    fn next_step(&self, status: &str, kind: Option<&str>) -> String {
        match (status, kind) {
            (_, Some("PUSH_FAILED" | "PUSH_NOT_AUTHORIZED")) => {
                let create = refusal::create(&self.to).map(|command| format!(": {command}"));
                format!(
                    "the build's service account needs roles/artifactregistry.writer, and the \
                     repository must be there{}",
                    create.unwrap_or_default()
                )
            }
            (_, Some("FETCH_SOURCE_FAILED")) => {
                "the build's service account needs roles/storage.objectViewer on the bucket".into()
            }
            (_, Some("LOGGING_FAILURE")) => {
                "the build's service account needs roles/logging.logWriter".into()
            }
            ("TIMEOUT", _) => "give it more time: --build-timeout SECONDS".into(),
            ("FAILURE", _) => {
                "look which step failed; a requirement that is compiled needs a base image with \
                 a compiler: aip-bundle --base-image"
                    .into()
            }
            _ => "run aip-upload again, which begins another build".into(),
        }
    }

    pub(super) fn refused(&self, error: gcp::Error) -> Failure {
        let status = error.status();
        let failure = Failure::from(error).context(format!("cannot build the image '{}'", self.to));
        match status {
            Some(403) => failure.hint(format!(
                "the caller needs roles/cloudbuild.builds.editor in project '{0}', and the API \
                 must be on: gcloud services enable cloudbuild.googleapis.com --project={0}",
                self.project
            )),
            Some(400) => failure.hint(
                "some projects build only as an account of their own, or in other locations: \
                 --build-service-account, --build-location",
            ),
            _ => failure,
        }
    }
}
