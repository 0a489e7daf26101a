//! Removing a version: its requests go elsewhere first.

use std::time::Duration;

use aip::vertex::{Deployed, Endpoint, Place, Split};
use aip::{Subject, Waiting};
use deployment::Kind;
use gcp::{Request, vertex};
use log::info;
use serde::Serialize;
use serde_json::{Value, json};
use stage::{Failure, Output, Process};

use super::failure;
use super::replace::undeploy;
use super::shift::shift;
use super::upload::number;

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

/// What is gone already is as good as removed.
pub(crate) fn delete(
    subject: &Subject,
    place: &Place,
    version: &str,
    flags: &Flags,
    timeout: Duration,
) -> Result<Output, Failure> {
    let job = Removal { process: subject.process, place, version, timeout };
    let endpoint = job.endpoint()?;
    let ids = job.deployed(&endpoint);
    let plan = job.plan(&endpoint, flags)?;
    let found = job.found()?;
    if let Some(dry) = subject.dry(&job.requests(&ids, found.as_ref())?) {
        return Ok(dry);
    }
    if plan.is_some() {
        let doing = format!("move the requests of version '{version}' elsewhere");
        shift(job.process, place, &doing, |endpoint| {
            Ok(job.plan(endpoint, flags)?.unwrap_or_else(|| endpoint.split()))
        })?;
    }
    for id in &ids {
        undeploy(job.process, place, id, &job.waiting(format!("undeploy version '{version}'")))?;
        info!("undeployed version '{version}' ('{id}') from '{}'", place.endpoint_name());
    }
    let deleted = match &found {
        Some(found) => job.delete(found)?,
        None => false,
    };
    info!("version '{version}' {}", if deleted { "is deleted" } else { "was not there" });
    let name = place.version_name(&found.as_ref().map_or_else(|| version.to_owned(), number));
    Ok(Output::Json(json!({"name": name, "deleted": deleted, "undeployed": ids})))
}

struct Removal<'a> {
    process: &'a Process,
    place: &'a Place,
    version: &'a str,
    timeout: Duration,
}

impl Removal<'_> {
    fn doing(&self) -> String {
        format!("delete version '{}' of model '{}'", self.version, self.place.model)
    }

    fn waiting(&self, doing: String) -> Waiting {
        Waiting { doing, resume: "run the same command again".into(), timeout: self.timeout }
    }

    fn refused(&self, error: gcp::Error, permission: &str) -> Failure {
        failure::refused(error, &self.doing(), permission)
    }

    fn endpoint(&self) -> Result<Endpoint, Failure> {
        match Endpoint::read(self.place) {
            Err(error) if error.status() == Some(404) => Ok(Endpoint(json!({}))),
            read => read.map_err(|error| self.refused(error, "aiplatform.endpoints.get")),
        }
    }

    fn deployed(&self, endpoint: &Endpoint) -> Vec<String> {
        let deployed = endpoint.deployed().into_iter();
        let ours = deployed.filter(|one| one.version() == self.version);
        ours.map(|one| one.id().to_owned()).collect()
    }

    /// The split without it, if it has a part in the one there is.
    fn plan(&self, endpoint: &Endpoint, flags: &Flags) -> Result<Option<Split>, Failure> {
        let deployed = endpoint.deployed();
        let (ours, others): (Vec<_>, Vec<_>) =
            deployed.into_iter().partition(|one| one.version() == self.version);
        let Some(oldest) = ours.first() else { return Ok(None) };
        let heir = flags.to.as_deref().map(|to| self.heir(endpoint, to)).transpose()?;
        if others.is_empty() {
            return if flags.last { Ok(None) } else { Err(self.last()) };
        }
        let split = endpoint.split();
        if ours.iter().all(|one| split.percent(one.id()) == 0) {
            return Ok(None);
        }
        let rest = ours.iter().fold(split.clone(), |split, one| split.without(one.id()));
        if heir.is_none() && !rest.0.is_empty() {
            return Ok(Some(rest));
        }
        let before = others.iter().rfind(|one| one.create_time() <= oldest.create_time());
        let heir = heir.or_else(|| before.or(others.last()).map(|one| one.id()));
        let heir = heir.unwrap_or_default();
        Ok(Some(ours.iter().fold(split, |split, one| split.moved(one.id(), heir))))
    }

    fn heir<'a>(&self, endpoint: &'a Endpoint, to: &str) -> Result<&'a str, Failure> {
        let found = endpoint.by_version(to).filter(|_| to != self.version).map(Deployed::id);
        found.ok_or_else(|| {
            let message = format!("there is no other version '{to}' that its requests could go to");
            Failure::usage(message).hint("see what is there: aip-version list")
        })
    }

    fn last(&self) -> Failure {
        Failure::new(Kind::Refused, format!("cannot {}", self.doing()))
            .because(format!(
                "nothing else is deployed to endpoint '{}': requests would fail",
                self.place.endpoint_id
            ))
            .hint("deploy another version first, or give --last")
    }

    fn found(&self) -> Result<Option<Value>, Failure> {
        match self.place.service.get(&self.place.version_name(self.version)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(self.refused(error, "aiplatform.models.get")),
        }
    }

    fn requests(&self, ids: &[String], found: Option<&Value>) -> Result<Vec<Request>, Failure> {
        let endpoint = self.place.endpoint_name();
        let undeploy = ids.iter().map(|id| vertex::undeploy_model(&endpoint, id, &json!({})));
        let mut requests: Vec<_> = undeploy.collect();
        if let Some(found) = found {
            requests.push(self.request(found)?);
        }
        Ok(requests)
    }

    /// The last version of a model goes with the model.
    fn request(&self, found: &Value) -> Result<Request, Failure> {
        let versions = self.versions()?;
        if versions.iter().all(|version| number(version) == number(found)) {
            return Ok(gcp::delete(&self.place.model_name()));
        }
        Ok(vertex::delete_version(&self.place.version_name(&number(found))))
    }

    fn versions(&self) -> Result<Vec<Value>, Failure> {
        let request = vertex::list_versions(&self.place.model_name());
        let versions = self.place.service.all(request, "models");
        versions.map_err(|error| self.refused(error, "aiplatform.models.list"))
    }

    fn delete(&self, found: &Value) -> Result<bool, Failure> {
        self.hand_over_default(found)?;
        let request = self.request(found)?;
        let hint = "it is deployed to another endpoint: undeploy it there first";
        aip::delete(self.process, &self.place.service, &request, &self.waiting(self.doing()), hint)
    }

    /// A model has a default version as long as it has any: the newest other.
    fn hand_over_default(&self, found: &Value) -> Result<(), Failure> {
        let mut aliases = found["versionAliases"].as_array().into_iter().flatten();
        if !aliases.any(|alias| alias == "default") {
            return Ok(());
        }
        let versions = self.versions()?;
        let others = versions.iter().filter(|version| number(version) != number(found));
        let newest = others.max_by_key(|version| number(version).parse::<u64>().unwrap_or(0));
        let Some(newest) = newest else { return Ok(()) };
        let name = self.place.version_name(&number(newest));
        let request = vertex::merge_aliases(&name, &["default"]);
        let merged = self.place.service.call(&request);
        merged.map_err(|error| self.refused(error, "aiplatform.models.update"))?;
        info!("'{name}' is the model's default version now");
        Ok(())
    }
}
