//! What takes time and the network: the lock, the base, the dependencies' layer,
//! and the model's answers. All of it is in the cache afterwards.

use deployment::Fetch;
use oci::Layer;
use stage::{Failure, Process};

use super::base::Base;
use super::dependencies::Dependencies;
use super::expected::{Question, unasked};
use super::lock::{Origin, Wanted};
use super::plan::{How, Plan};
use crate::bundle::Bundle;
use crate::limits::Remark;

/// Nothing of it where the image exists.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(super) lock: Option<String>,
    /// The base's name, by digest where it has one.
    pub(super) base_name: Option<String>,
    pub(super) image: Option<(Base, Layer)>,
    pub(super) expected: Option<String>,
}

impl Plan {
    pub(crate) fn make(
        &self,
        process: &Process,
        fetched: &Fetch,
        bundle: &Bundle,
        remarks: &mut Vec<Remark>,
    ) -> Result<Made, Failure> {
        match &self.how {
            How::Existing { .. } | How::Prebuilt { .. } => {
                self.say_unasked("the image is not made from this bundle", remarks);
                Ok(Made::default())
            }
            How::CloudBuild(base) => {
                self.say_unasked(
                    "Cloud Build installs the requirements, not this machine",
                    remarks,
                );
                let base_name = base.pin(&self.cache, &self.credentials)?.to_string();
                let lock = self.lock(process, bundle)?;
                Ok(Made { lock: Some(lock), base_name: Some(base_name), ..Made::default() })
            }
            How::Oci(origin) => {
                let base = origin.get(process, &self.cache, &self.credentials)?;
                base.check_python(origin, &bundle.python_version)?;
                let lock = self.lock(process, bundle)?;
                let python_version = bundle.python_version.as_str();
                let dependencies = Dependencies { lock: &lock, python_version };
                let layer = dependencies.layer(process, &self.cache)?;
                let expected = self.ask(process, fetched, bundle, &dependencies, remarks)?;
                let base_name = base.reference.as_ref().map(ToString::to_string);
                Ok(Made { lock: Some(lock), base_name, image: Some((base, layer)), expected })
            }
        }
    }

    fn lock(&self, process: &Process, bundle: &Bundle) -> Result<String, Failure> {
        let wanted = Wanted {
            runtime: &self.runtime,
            python_version: &bundle.python_version,
            allow_sources: matches!(self.how, How::CloudBuild(_)),
        };
        let _progress = process.waiting("resolving the requirements");
        let given = self.lock.as_deref();
        let (lock, origin) = wanted.lock(given, self.upgrade, bundle.directory(), &self.cache)?;
        if origin == Origin::Kept {
            log::debug!("these requirements were resolved before; --upgrade resolves them anew");
        }
        Ok(lock)
    }

    fn say_unasked(&self, why: &str, remarks: &mut Vec<Remark>) {
        remarks.extend(self.wants_expected.then(|| unasked(why)));
    }

    fn ask(
        &self,
        process: &Process,
        fetched: &Fetch,
        bundle: &Bundle,
        dependencies: &Dependencies,
        remarks: &mut Vec<Remark>,
    ) -> Result<Option<String>, Failure> {
        if !self.wants_expected {
            return Ok(None);
        }
        let question = Question {
            model: &bundle.model,
            example: fetched.input_example.as_ref(),
            wheel: &self.wheel(bundle),
            prediction_class: &bundle.settled.prediction_class,
            dependencies,
            variables: &fetched.environment_variables,
        };
        match question.ask(process, &self.cache)? {
            Ok(answer) => Ok(Some(answer)),
            Err(remark) => {
                remarks.push(remark);
                Ok(None)
            }
        }
    }
}
