//! Removing a version: its requests go elsewhere first.

use std::time::Duration;

use aip::vertex::{Endpoint, Place};
use aip::{Subject, Waiting};
use gcp::vertex::undeploy_model;
use log::info;
use serde::Serialize;
use serde_json::{Value, json};
use stage::{Failure, Output, Process};

use super::heirs::Heirs;
use super::replace::undeploy;
use super::shift::shift;
use super::upload::number;
use super::{erase, failure};

/// Serialised, it says which were given.
#[derive(Debug, clap::Args, Serialize)]
#[command(next_help_heading = "Vertex AI")]
#[serde(rename_all = "kebab-case")]
#[group(skip)]
pub(crate) struct Flags {
    /// Version that gets its requests [default: those that have some already, in
    /// proportion, else the one that was deployed before it]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,

    /// Remove it also where it is the last that answers: from then on, nothing
    /// does
    #[arg(long, conflicts_with = "to")]
    last: bool,
}

/// A version that is to go.
pub(super) struct Removal<'a> {
    pub(super) process: &'a Process,
    pub(super) place: &'a Place,
    /// By its name or its number.
    pub(super) version: &'a str,
    pub(super) timeout: Duration,
}

/// What is gone already is as good as removed.
pub(crate) fn delete(
    subject: &Subject,
    place: &Place,
    version: &str,
    flags: &Flags,
    timeout: Duration,
) -> Result<Output, Failure> {
    let job = Removal { process: subject.process, place, version, timeout };
    let found = job.found()?;
    let number = found.as_ref().map(number);
    let ids = job.deployed(&job.endpoint()?, number.as_deref());
    let heirs = Heirs { version, ids: &ids, to: flags.to.as_deref(), last: flags.last };
    let dry = subject.document.spec.dry_run;
    let moved = job.move_requests(&heirs, dry)?;
    if dry {
        return job.dry(subject, moved, &ids, found.as_ref());
    }
    for id in &ids {
        undeploy(job.process, place, id, &job.waiting(format!("undeploy version '{version}'")))?;
        info!("undeployed version '{version}' ('{id}') from '{}'", place.endpoint_name());
    }
    let deleted = found.as_ref().map(|found| erase::erase(&job, found)).transpose()?;
    let deleted = deleted.unwrap_or(false);
    info!("version '{version}' {}", if deleted { "is deleted" } else { "was not there" });
    let name = place.version_name(number.as_deref().unwrap_or(version));
    Ok(Output::Json(json!({"name": name, "deleted": deleted, "undeployed": ids})))
}

impl Removal<'_> {
    pub(super) fn doing(&self) -> String {
        format!("delete version '{}' of model '{}'", self.version, self.place.model)
    }

    pub(super) fn waiting(&self, doing: String) -> Waiting {
        Waiting { doing, resume: "run the same command again".into(), timeout: self.timeout }
    }

    pub(super) fn refused(&self, error: gcp::Error, permission: &str) -> Failure {
        failure::refused(error, &self.doing(), permission)
    }

    fn endpoint(&self) -> Result<Endpoint, Failure> {
        match Endpoint::read(self.place) {
            Err(error) if error.status() == Some(404) => Ok(Endpoint(json!({}))),
            read => read.map_err(|error| self.refused(error, "aiplatform.endpoints.get")),
        }
    }

    /// Also what was deployed of it under another name.
    fn deployed(&self, endpoint: &Endpoint, number: Option<&str>) -> Vec<String> {
        let model = self.place.model_name();
        let deployed = endpoint.deployed().into_iter();
        let ours = deployed.filter(|one| {
            one.version() == self.version || number.is_some_and(|number| one.is_of(&model, number))
        });
        ours.map(|one| one.id().to_owned()).collect()
    }

    fn found(&self) -> Result<Option<Value>, Failure> {
        match self.place.service.get(&self.place.version_name(self.version)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(self.refused(error, "aiplatform.models.get")),
        }
    }

    /// In a dry run, the request that would do it.
    fn move_requests(&self, heirs: &Heirs, dry: bool) -> Result<Option<String>, Failure> {
        if heirs.of(&self.endpoint()?)?.is_none() {
            return Ok(None);
        }
        let doing = format!("move the requests of version '{}' elsewhere", self.version);
        let plan =
            |endpoint: &Endpoint| Ok(heirs.of(endpoint)?.unwrap_or_else(|| endpoint.split()));
        Ok(shift(self.process, self.place, &doing, dry, plan)?.dry)
    }

    fn dry(
        &self,
        subject: &Subject,
        moved: Option<String>,
        ids: &[String],
        found: Option<&Value>,
    ) -> Result<Output, Failure> {
        let endpoint = self.place.endpoint_name();
        let undeploy = ids.iter().map(|id| undeploy_model(&endpoint, id, &json!({})));
        let mut requests: Vec<_> = undeploy.collect();
        if let Some(found) = found {
            requests.push(erase::request(self, found)?);
        }
        let mut shown: Vec<_> = moved.into_iter().collect();
        shown.extend(subject.would(&requests));
        Ok(Output::Json(json!({"dryRun": true, "requests": shown})))
    }
}
