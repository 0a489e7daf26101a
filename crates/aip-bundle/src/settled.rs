//! Names, versions and places, settled from flags, document and environment.

use std::path::PathBuf;

use deployment::{Fetch, Lineage, Spec, Target};
use stage::{Failure, settings};

use crate::Args;
use crate::error::Error;
use crate::limits::{self, Remark};
use crate::names;

#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) model: String,
    pub(crate) version: String,
    pub(crate) prediction_class: String,
    /// Absolute.
    pub(crate) directory: PathBuf,
    /// Times of all files in the packages.
    pub(crate) mtime: u64,
    /// When images say they were made.
    pub(crate) created: u64,
    pub(crate) target: Target,
}

impl Settled {
    pub(crate) fn new(
        args: &Args,
        fetched: &Fetch,
        spec: &mut Spec,
        remarks: &mut Vec<Remark>,
    ) -> Result<Self, Failure> {
        let lineage = &fetched.lineage;
        let target =
            settings::TARGET.resolve(args.target, &mut spec.target, Some(Target::DEFAULT))?;
        let target = target.unwrap_or(Target::DEFAULT);
        let field = &mut spec.model;
        let model = settings::MODEL.resolve(args.model.clone(), field, None)?;
        let model = model.unwrap_or_else(|| default_model(target, lineage, remarks));
        spec.model = Some(model.clone());
        let default = Some(names::default_version(target, lineage));
        let version =
            settings::VERSION.resolve(args.version_name.clone(), &mut spec.version, default)?;
        let version = version.ok_or_else(|| settings::VERSION.missing())?;
        match target {
            Target::AiPlatform => remarks.extend(limits::names(&model, &version)),
            Target::Vertex => names::check_vertex(&model, &version)?,
        }

        settings::bucket(args.bucket.clone(), &mut spec.bucket)?;
        settings::route(args.route.clone(), &mut spec.route, None)?;
        let script = &mut spec.prediction_script;
        settings::PREDICTION_SCRIPT.resolve(args.prediction_script.clone(), script, None)?;
        settings::SETUP_FILE.resolve(args.setup_file.clone(), &mut spec.setup_file, None)?;

        let directory = directory(args, spec, &names::directory(&model, &version))?;
        let directory = std::path::absolute(&directory)
            .map_err(|source| Error::Write { path: directory, source })?;
        let prediction_class = prediction_class(&args.prediction_class)?;
        let epoch = epoch()?;
        Ok(Self {
            model,
            version,
            prediction_class,
            directory,
            mtime: epoch.unwrap_or(MTIME),
            created: epoch.unwrap_or(0),
            target,
        })
    }

    pub(crate) fn package_version(&self) -> String {
        names::package_version(&self.version)
    }

    /// The class within the module.
    pub(crate) fn class(&self) -> &str {
        self.prediction_class.rsplit('.').next().unwrap_or_default()
    }
}

fn directory(args: &Args, spec: &mut Spec, name: &str) -> Result<PathBuf, Failure> {
    if let Some(output) = &args.output {
        return Ok(output.into());
    }
    let work_dir = settings::work_dir(args.work_dir.clone(), &mut spec.work_dir)?;
    Ok(work_dir.join("bundles").join(name))
}

fn default_model(target: Target, lineage: &Lineage, remarks: &mut Vec<Remark>) -> String {
    let model = names::default_model(target, lineage);
    log::debug!("model = '{model}' (from default)");
    if let Some(registered) = lineage.registered_model.as_ref().filter(|name| **name != model) {
        let message = format!(
            "the service refuses the registered model's name '{registered}': it becomes '{model}'"
        );
        remarks.push(Remark::warning(message).hint("give --model for another name"));
    }
    model
}

fn prediction_class(text: &str) -> Result<String, Error> {
    let is_name = |class: &str| {
        class.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && class.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    match text.strip_prefix("predictor.") {
        Some(class) if is_name(class) => Ok(text.into()),
        _ => Err(Error::PredictionClass(text.into())),
    }
}

/// The second day of 1980: zip archives, which wheels are, begin with the first,
/// and installers west of Greenwich would read an hour before it.
const MTIME: u64 = 315_619_200;

fn epoch() -> Result<Option<u64>, Error> {
    let text = settings::env("SOURCE_DATE_EPOCH");
    text.map(|text| text.parse().map_err(|_| Error::Epoch(text))).transpose()
}

/// `3.11` of `3.11.7`.
pub(crate) fn minor_version(text: &str) -> Result<String, Error> {
    let mut parts = text.trim().split('.');
    let mut number = || {
        let part = parts.next().filter(|part| !part.is_empty() && part.len() < 4)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then_some(part)
    };
    match (number(), number()) {
        (Some(major), Some(minor)) => Ok(format!("{major}.{minor}")),
        _ => Err(Error::PythonVersion(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_versions() {
        for (text, expected) in [("3.11.7", "3.11"), ("3.7", "3.7"), ("3.13.0rc1", "3.13")] {
            assert_eq!(minor_version(text).unwrap(), expected);
        }
        for text in ["", "3", "3.x", "3.", "python3.7", "3.7; rm"] {
            assert!(minor_version(text).is_err(), "{text}");
        }
    }

    #[test]
    fn classes_of_the_predictor() {
        assert!(prediction_class("predictor.My_Predictor2").is_ok());
        for text in ["Predictor", "other.Predictor", "predictor.", "predictor.2", "predictor.a b"] {
            assert!(prediction_class(text).is_err(), "{text}");
        }
    }
}
