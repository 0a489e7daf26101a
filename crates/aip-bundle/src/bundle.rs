//! The bundle: everything in memory but the model, then written as a whole.

use std::path::Path;

use checksum::Digest;
use deployment::{Fetch, File, Package, Spec, Target};
use stage::{Failure, Process};

use crate::directory::{self, Draft, MANIFEST, MODEL};
use crate::error::Error;
use crate::limits::{self, Remark};
use crate::manifest::{self, Manifest};
use crate::model::Model;
use crate::names::PACKAGE;
use crate::requirements::{Requirement, Requirements};
use crate::sdist::Sdist;
use crate::settled::{Settled, minor_version};
use crate::template::{Template, Values};
use crate::vertex::{Part, Plan};
use crate::{Args, python};

#[derive(Debug)]
pub(crate) struct Bundle<'a> {
    pub(crate) settled: Settled,
    pub(crate) model: Model<'a>,
    pub(crate) package_version: String,
    pub(crate) python_version: String,
    pub(crate) requirements: Requirements,
    /// The module's source.
    pub(crate) predictor: String,
    /// Below the bundle's directory.
    sdist_path: String,
    sdist: Vec<u8>,
}

impl<'a> Bundle<'a> {
    pub(crate) fn make(
        args: &Args,
        fetched: &'a Fetch,
        spec: &Spec,
        settled: Settled,
        remarks: &mut Vec<Remark>,
    ) -> Result<Self, Failure> {
        let model = Model::open(fetched, spec.dry_run)?;
        let requirements = requirements(args, &model)?;
        remarks.extend(requirements.warnings.iter().map(Remark::warning));
        let python_version = python_version(args, fetched, &model, spec.dry_run)?;
        if settled.target == Target::AiPlatform {
            remarks.extend(limits::model(&model));
            remarks.extend(limits::python(&python_version));
        }

        let package_version = settled.package_version();
        let values = Values {
            package_name: PACKAGE.into(),
            model_version: package_version.clone(),
            model_artifact_uri: spec.model_artifact_uri(),
            model_name: settled.model.clone(),
            version_name: settled.version.clone(),
            requirements: requirements.texts(),
            python_version: python_version.clone(),
        };
        let predictor = spec.prediction_script.as_deref();
        let predictor =
            rendered(predictor, &Template::predictor(), &values, settled.class(), remarks)?;
        let setup_file = spec.setup_file.as_deref();
        let setup = rendered(setup_file, &Template::setup(), &values, "", remarks)?;
        remarks.extend(setup_file.and_then(|path| left_out(path, &setup, &requirements)));

        let sdist = Sdist {
            name: PACKAGE,
            version: &package_version,
            predictor: &predictor,
            setup: &setup,
            requirements: &requirements.list,
        };
        let sdist_path = format!("dist/{}", sdist.file_name());
        let sdist = sdist.build(settled.mtime).map_err(|error| {
            Failure::failed(format!("cannot pack '{sdist_path}'")).cause(&error)
        })?;
        Ok(Self {
            settled,
            model,
            package_version,
            python_version,
            requirements,
            predictor,
            sdist_path,
            sdist,
        })
    }

    /// Without content where the model is not here yet: it would be another's.
    fn sdist_file(&self) -> File {
        let path = self.sdist_path.clone();
        if !self.model.is_here {
            return File { path, ..File::default() };
        }
        let Digest { size, sha256, crc32c } = Digest::of_bytes(&self.sdist);
        File { path, size, sha256, crc32c, ..File::default() }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.settled.directory
    }

    pub(crate) fn write(
        self,
        process: &Process,
        fetched: &Fetch,
        plan: Option<&Plan>,
        remarks: &mut Vec<Remark>,
        before: deployment::Bundle,
    ) -> Result<deployment::Bundle, Failure> {
        directory::check(self.directory())?;
        let message = "interrupted; no bundle was written";
        let _interrupt =
            process.on_interrupt(message, "run it again: what is in the cache stays")?;
        let made = plan.map(|plan| plan.make(process, fetched, &self, remarks)).transpose()?;
        let _progress = process.waiting("writing the bundle");
        let draft = Draft::new(self.directory())?;
        draft.write(&self.sdist_path, &self.sdist)?;
        draft.link_model(&self.model)?;
        let part = plan.zip(made).map(|(plan, made)| plan.write(&made, &self, &draft));
        let part = part.transpose()?;
        let sdist = self.sdist_file();
        let manifest = manifest::describe(&self, &sdist, fetched, part.as_ref());
        draft.write_by(MANIFEST, |file| manifest.write(file))?;
        let digest = digest(&manifest)?;
        draft.publish()?;
        log::info!("wrote '{}'", self.directory().display());
        Ok(self.stage(part, digest, before))
    }

    pub(crate) fn would(&self, process: &Process, plan: Option<&Plan>) -> Result<(), Error> {
        directory::check(self.directory())?;
        let directory = self.directory().display();
        process.would(&format!("write '{directory}/{}'", self.sdist_path));
        if let Some(plan) = plan {
            plan.would(process, self);
        }
        process.would(&format!("write '{directory}/{MANIFEST}'"));
        let count = self.model.files.len();
        process.would(&format!("link {count} files of the model into '{directory}/{MODEL}'"));
        Ok(())
    }

    /// The record of a dry run: an image's digest is not known without making it.
    pub(crate) fn dry(
        self,
        fetched: &Fetch,
        plan: Option<&Plan>,
        before: deployment::Bundle,
    ) -> Result<deployment::Bundle, Failure> {
        let digest = if self.model.is_here && plan.is_none() {
            digest(&manifest::describe(&self, &self.sdist_file(), fetched, None))?
        } else {
            String::new()
        };
        let part = plan.map(|plan| plan.dry(&self));
        Ok(self.stage(part, digest, before))
    }

    /// The stage's record; what others noted in the one `before` stays.
    fn stage(
        self,
        part: Option<Part>,
        digest: String,
        before: deployment::Bundle,
    ) -> deployment::Bundle {
        let sdist = File { extra: before.sdist.extra, ..self.sdist_file() };
        let common = deployment::Bundle {
            directory: self.directory().display().to_string(),
            digest,
            model_directory: self.directory().join(MODEL).display().to_string(),
            package: Package {
                name: PACKAGE.into(),
                version: self.package_version.clone(),
                extra: before.package.extra,
            },
            sdist,
            prediction_class: self.settled.prediction_class,
            python_version: self.python_version,
            requirements: self.requirements.texts(),
            extra: before.extra,
            ..deployment::Bundle::default()
        };
        let Some(part) = part else { return common };
        let before = before.image.unwrap_or_default().extra;
        deployment::Bundle {
            wheel: Some(part.wheel),
            lock: part.lock,
            image: Some(deployment::Image { extra: before, ..part.image }),
            model_files: part.model_files,
            expected: part.expected,
            ..common
        }
    }
}

fn digest(manifest: &Manifest) -> Result<String, Failure> {
    let digest = manifest.digest();
    digest
        .map(|digest| digest.sha256)
        .map_err(|error| Failure::failed(format!("cannot write '{MANIFEST}'")).cause(&error))
}

fn requirements(args: &Args, model: &Model) -> Result<Requirements, Error> {
    let mut requirements =
        if args.no_requirements { Requirements::default() } else { Requirements::of(model)? };
    for text in &args.requirement {
        let requirement = Requirement::parse(text).ok_or_else(|| Error::Requirement {
            origin: "--requirement".into(),
            text: text.clone(),
        })?;
        requirements.set(requirement);
    }
    requirements.check()?;
    Ok(requirements)
}

/// The flag's, else the one that logged the model, else python_env.yaml's.
fn python_version(
    args: &Args,
    fetched: &Fetch,
    model: &Model,
    dry_run: bool,
) -> Result<String, Error> {
    let known = args.python_version.as_ref().or(fetched.python_version.as_ref());
    if let Some(version) = known {
        return minor_version(version);
    }
    // Read as text: YAML would take 3.10 for the number 3.1.
    let text = model.text("python_env.yaml")?.unwrap_or_default();
    match text.lines().find_map(|line| line.strip_prefix("python:")) {
        Some(version) => minor_version(version.trim().trim_matches(['"', '\''])),
        None if dry_run && !model.is_here => Ok(String::new()),
        None => Err(Error::NoPythonVersion),
    }
}

/// From the user's own template, which is then looked at, or the one compiled in.
fn rendered(
    path: Option<&str>,
    built_in: &Template,
    values: &Values,
    class: &str,
    remarks: &mut Vec<Remark>,
) -> Result<String, Error> {
    let Some(path) = path else { return built_in.render(values) };
    let text = Template::read(path)?.render(values)?;
    if !values.python_version.is_empty() {
        let found = python::check(path, &text, &values.python_version, class)?;
        remarks.extend(found.into_iter().map(Remark::warning));
    }
    Ok(text)
}

/// The user's own setup.py decides what is installed, and may know better.
fn left_out(path: &str, setup: &str, requirements: &Requirements) -> Option<Remark> {
    let missing = requirements.missing_in(setup);
    if missing.is_empty() {
        return None;
    }
    let message =
        format!("'{path}' does not install what the model requires: {}", missing.join(", "));
    Some(
        Remark::warning(message).hint(
            "name them in its install_requires; a file *.tera may say {{ requirements | py }}",
        ),
    )
}
