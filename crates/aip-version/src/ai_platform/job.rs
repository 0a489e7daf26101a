//! Creating a version: what is to be made, and where.

use std::time::Duration;

use aip::Waiting;
use aip::ai_platform::Place;
use deployment::Deployment;
use gcp::ml;
use log::info;
use serde_json::Value;
use stage::{Failure, Process};

use super::existing::{self, Existing};
use super::{replace, wait};
use crate::create::AGAIN;

pub(crate) struct Job<'a> {
    pub(crate) process: &'a Process,
    pub(crate) place: &'a Place,
    pub(crate) version: &'a str,
    /// The API's `Version`.
    pub(crate) wanted: Value,
    pub(crate) timeout: Duration,
}

/// A version that is being created, or is there.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// Whether this run created it.
    pub(crate) created: bool,
    /// The operation that creates it; without one, its own state tells.
    pub(crate) operation: Option<String>,
    /// The version as it was found, where it was there.
    pub(crate) found: Option<Value>,
}

impl Job<'_> {
    pub(crate) fn name(&self) -> String {
        self.place.version_name(self.version)
    }

    pub(crate) fn request(&self) -> gcp::Request {
        ml::create_version(&self.place.model_name(), &self.wanted)
    }

    pub(crate) fn doing(&self) -> String {
        format!("create version '{}' of model '{}'", self.version, self.place.model)
    }

    /// Begins, or finds it begun.
    pub(crate) fn start(
        &self,
        document: &mut Deployment,
        replace: bool,
    ) -> Result<Started, Failure> {
        match self.create()? {
            Existing::Begun(operation) => Ok(Started::by(operation)),
            Existing::Same(found) => {
                existing::report_words(document, &self.wanted, &found);
                Ok(Started { found: Some(found), ..Started::default() })
            }
            Existing::Other(found) if replace => replace::run(self, document, &found),
            Existing::Other(found) => Err(existing::refuse(self, &found)),
        }
    }

    /// Creates first and looks afterwards: between a question and the create,
    /// another run may create it, and a create whose answer was lost has
    /// already been done when it is sent again.
    pub(crate) fn create(&self) -> Result<Existing, Failure> {
        let message = format!("interrupted while starting to {}", self.doing());
        let _interrupt = self.process.on_interrupt(message, AGAIN)?;
        match self.place.service.call(&self.request()) {
            Ok(operation) => {
                let name = operation["name"].as_str().unwrap_or_default().to_owned();
                info!("{name} is creating '{}'", self.name());
                Ok(Existing::Begun(name))
            }
            Err(error) if error.status() == Some(409) => existing::look(self, error),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Waits until it answers, and gives it as it is then.
    pub(crate) fn ready(&self, operation: Option<&str>) -> Result<Value, Failure> {
        let resume = AGAIN.to_owned();
        let waiting = Waiting { doing: self.doing(), resume, timeout: self.timeout };
        wait::ready(self.process, self.place, self.version, &waiting, operation)
    }

    pub(crate) fn refused(&self, error: gcp::Error) -> Failure {
        let status = error.status();
        let failure = Failure::from(error).context(format!("cannot {}", self.doing()));
        match status {
            Some(403) => failure.hint(
                "the caller needs ml.versions.create, which roles/ml.developer lacks; \
                 roles/ml.admin has it",
            ),
            Some(404) => failure.hint("run aip-model create first"),
            _ => failure,
        }
    }
}

impl Started {
    pub(crate) fn by(operation: String) -> Self {
        Self { created: true, operation: Some(operation), found: None }
    }
}
