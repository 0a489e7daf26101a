//! A version that is to be there: what it is made of, and where.

use std::time::Duration;

use aip::Waiting;
use aip::vertex::Place;
use deployment::Extra;
use serde_json::Value;
use stage::{Failure, Process};

use super::{failure, operations};
use crate::create::AGAIN;

pub(super) struct Job<'a> {
    pub(super) process: &'a Process,
    pub(super) place: &'a Place,
    pub(super) version: &'a str,
    /// The API's `Model`.
    pub(super) model: Value,
    /// The API's `DeployedModel`, without its id and its model.
    pub(super) deployed: Extra,
    /// Of the endpoint's requests, in percent.
    pub(super) traffic: Option<u8>,
    /// Whether a version of this name that is otherwise makes way.
    pub(super) replace: bool,
    pub(super) timeout: Duration,
}

impl Job<'_> {
    pub(super) fn doing(&self) -> String {
        format!("create version '{}' of model '{}'", self.version, self.place.model)
    }

    pub(super) fn waiting(&self, doing: String) -> Waiting {
        Waiting { doing, resume: AGAIN.into(), timeout: self.timeout }
    }

    /// What an earlier run began on a resource comes to its end first.
    pub(super) fn settle(&self, parent: &str, kind: &str) -> Result<(), Failure> {
        let waiting = self.waiting(self.doing());
        operations::settle(self.process, &self.place.service, &waiting, parent, kind)
    }

    /// Of a request that the service refused; `permission` is what it takes.
    pub(super) fn refused(&self, error: gcp::Error, permission: &str) -> Failure {
        failure::refused(error, &self.doing(), permission)
    }
}
