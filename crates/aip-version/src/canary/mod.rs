//! A new version is asked before it gets traffic: whether it answers the
//! model's own input example as the model did when it was bundled.

mod ask;
mod compare;
mod expected;
mod probe;

use std::path::PathBuf;
use std::time::Duration;

use aip::Waiting;
use aip::vertex::{Endpoint, Place};
use deployment::Deployment;
use gcp::vertex::undeploy_model;
use log::info;
use serde::Serialize;
use stage::{Failure, Process};

use crate::traffic;
use compare::Difference;
use expected::Expected;

/// How many differences are shown.
const SHOWN: usize = 5;

#[derive(Debug, clap::Args, Serialize)]
#[command(next_help_heading = "Canary")]
#[serde(rename_all = "kebab-case")]
#[group(skip)]
pub(crate) struct Flags {
    /// Deploy it without traffic, ask it, and give it this much of the traffic
    /// (the endpoint's first: all) only if its predictions are those that were
    /// recorded with the bundle. To be asked alone it is deployed for a moment
    /// to an endpoint of its own as well, unless its container can be invoked
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100),
        conflicts_with_all = ["no_wait", "replace", "traffic"])]
    pub(crate) canary: Option<u8>,

    /// Predictions to hold it against, a JSON object of instances and
    /// predictions, instead of the bundle's
    #[arg(long, value_name = "FILE", requires = "canary")]
    expect: Option<PathBuf>,

    /// By how much of themselves fractions may differ [default: 1e-6]
    #[arg(long, value_name = "SHARE", requires = "canary", value_parser = tolerance)]
    tolerance: Option<f64>,

    /// Give it its traffic unasked
    #[arg(long, requires = "canary", conflicts_with_all = ["expect", "tolerance"])]
    no_check: bool,

    /// Take it off the endpoint if its predictions are others
    #[arg(long, requires = "canary", conflicts_with = "no_check")]
    undeploy_on_failure: bool,
}

/// What is to be done with a version once it is deployed without traffic.
#[derive(Debug)]
pub(crate) struct Canary {
    percent: u8,
    expected: Option<Expected>,
    tolerance: f64,
    undeploy: bool,
}

/// One that is deployed.
pub(crate) struct Candidate<'a> {
    pub(crate) process: &'a Process,
    pub(crate) place: &'a Place,
    pub(crate) version: &'a str,
    /// The deployed model's.
    pub(crate) id: &'a str,
    pub(crate) timeout: Duration,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let tolerance: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..1.0).contains(&tolerance) { Ok(tolerance) } else { Err("not from 0 to 1".into()) }
}

impl Flags {
    /// Before anything is deployed: without something to hold the version
    /// against, nothing is. Nothing where no canary is asked for.
    pub(crate) fn prepare(&self, document: &Deployment) -> Result<Option<Canary>, Failure> {
        let Some(percent) = self.canary else { return Ok(None) };
        let expected = match (&self.expect, self.no_check) {
            (_, true) => None,
            (Some(file), _) => Some(Expected::read(file)?),
            // A dry aip-bundle has asked nobody.
            (None, _) if document.spec.dry_run && document.stages.bundled()?.expected.is_none() => {
                None
            }
            (None, _) => Some(Expected::recorded(document)?),
        };
        Ok(Some(Canary {
            percent,
            expected,
            tolerance: self.tolerance.unwrap_or(1e-6),
            undeploy: self.undeploy_on_failure,
        }))
    }
}

impl Canary {
    /// What a dry run says of it.
    pub(crate) fn would(&self, process: &Process, version: &str) {
        if let Some(expected) = &self.expected {
            let count = expected.count();
            process.would(&format!("ask version '{version}' for {count} recorded predictions"));
        }
        process.would(&format!("give version '{version}' {} % of the traffic", self.percent));
    }

    /// Asks it, and gives it its traffic if its answers are right. One that has
    /// traffic already keeps what it has. The percent that it has then.
    pub(crate) fn run(&self, candidate: &Candidate) -> Result<u8, Failure> {
        let Candidate { process, place, version, id, .. } = candidate;
        let endpoint = candidate.endpoint()?;
        let percent = endpoint.split().percent(id);
        if percent > 0 {
            info!("version '{version}' has {percent} % of the traffic already");
            return Ok(percent);
        }
        if let Some(expected) = &self.expected {
            self.check(candidate, &endpoint, expected)?;
        }
        let doing = format!(
            "give version '{version}' {} % of the traffic of endpoint '{}'",
            self.percent, place.endpoint_id
        );
        traffic::give(process, place, &doing, id, self.percent)
    }

    fn check(
        &self,
        candidate: &Candidate,
        endpoint: &Endpoint,
        expected: &Expected,
    ) -> Result<(), Failure> {
        let found = ask::predictions(candidate, endpoint, expected)
            .map_err(|failure| self.failed(candidate, failure))?;
        let differences = compare::differences(
            "predictions",
            &expected.predictions,
            &found,
            self.tolerance,
            SHOWN + 1,
        );
        if differences.is_empty() {
            let (version, count) = (candidate.version, expected.count());
            info!("version '{version}' gives the {count} predictions that were recorded");
            return Ok(());
        }
        let version = candidate.version;
        let message = format!("version '{version}' does not predict what was recorded");
        let failure = differences.iter().take(SHOWN).fold(
            Failure::failed(message),
            |failure, Difference { place, expected, found }| {
                failure.because(format!("{place} is {found}, not {expected}"))
            },
        );
        let failure = if differences.len() > SHOWN { failure.because("and more") } else { failure };
        Err(self.failed(candidate, failure).hint(
            "where only digits differ: --tolerance SHARE; the model, its requirements or the \
             machine are not those that were recorded",
        ))
    }

    /// It has no traffic, and says so; it is there to be looked at, or not any
    /// more.
    fn failed(&self, candidate: &Candidate, failure: Failure) -> Failure {
        let Candidate { version, place, .. } = candidate;
        let message = format!("cannot give version '{version}' any traffic");
        let failure = failure.context(message);
        let (model, project) = (&place.model, &place.project);
        if self.undeploy {
            return match candidate.undeploy() {
                Ok(()) => failure.hint(format!(
                    "it is off the endpoint; aip-version delete --project {project} --model \
                     '{model}' --version-name {version} removes the version as well"
                )),
                Err(error) => {
                    log::warn!("version '{version}' could not be taken off: {error}");
                    failure
                }
            };
        }
        failure.hint(format!(
            "it stays deployed, without traffic: aip-version delete --project {project} --model \
             '{model}' --version-name {version} removes it"
        ))
    }
}

impl Candidate<'_> {
    fn endpoint(&self) -> Result<Endpoint, Failure> {
        Endpoint::read(self.place).map_err(|error| traffic::unreadable(self.place, error))
    }

    fn waiting(&self, doing: String) -> Waiting {
        let resume = "run the same command again".into();
        Waiting { doing, resume, timeout: self.timeout }
    }

    fn undeploy(&self) -> Result<(), Failure> {
        let doing =
            format!("take version '{}' off endpoint '{}'", self.version, self.place.endpoint_id);
        let request = undeploy_model(&self.place.endpoint_name(), self.id, &serde_json::json!({}));
        let operation = self
            .place
            .service
            .call(&request)
            .map_err(|error| Failure::from(error).context(format!("cannot {doing}")))?;
        let waiting = self.waiting(doing);
        aip::wait_for_operation(self.process, &self.place.service, &waiting, &operation)?;
        info!("version '{}' is off endpoint '{}'", self.version, self.place.endpoint_id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[arg(long)]
        no_wait: bool,
        #[arg(long)]
        replace: bool,
        #[arg(long)]
        traffic: Option<u8>,
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn nothing_is_deployed_that_cannot_be_checked() {
        let flags = |args: &[&str]| Command::parse_from([&["x"], args].concat()).flags;
        let document = Deployment::default();
        assert!(flags(&[]).prepare(&document).unwrap().is_none());
        let failure = flags(&["--canary", "10"]).prepare(&document).unwrap_err();
        assert!(format!("{failure:?}").contains("--no-check"), "{failure:?}");
        let unasked = flags(&["--canary", "10", "--no-check"]).prepare(&document).unwrap().unwrap();
        assert!(unasked.expected.is_none() && unasked.percent == 10);
        for bad in [
            &["--canary", "0"][..],
            &["--canary", "101"],
            &["--no-check"],
            &["--canary", "5", "--tolerance", "1.5"],
            &["--canary", "5", "--traffic", "5"],
        ] {
            assert!(Command::try_parse_from([&["x"], bad].concat()).is_err(), "{bad:?}");
        }
    }
}
