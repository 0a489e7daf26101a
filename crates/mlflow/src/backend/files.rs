//! MLflow's file store, `mlruns`, read as it lies there.
//!
//! Its layout: `EXPERIMENT/RUN/meta.yaml` with `tags/` beside it,
//! `EXPERIMENT/models/MODEL/meta.yaml`, and the registry in
//! `models/NAME/{version-N/meta.yaml,aliases/ALIAS}`.

use std::fmt::{self, Display};
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml_ng::Value;

use super::{
    Backend, DELETED, FileInfo, HISTORY, LoggedModel, RegisteredModel, Root, Run, Version, recorded,
};
use crate::error::Error;
use crate::location::Location;
use crate::uri::Selector;

const META: &str = "meta.yaml";
/// Logged models, within an experiment; registered models, at the root.
const MODELS: &str = "models";
/// Experiments that were deleted.
const TRASH: &str = ".trash";

/// Of one meta.yaml no more than this is read.
const MAX_META: u64 = 4 * 1024 * 1024;

pub(super) struct Files {
    root: PathBuf,
    roots: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct RunMeta {
    experiment_id: Value,
    artifact_uri: String,
    #[serde(default)]
    lifecycle_stage: Option<String>,
}

#[derive(Deserialize)]
struct ModelMeta {
    experiment_id: Value,
    artifact_location: String,
    name: String,
    status: Option<u8>,
    source_run_id: Option<String>,
    #[serde(default)]
    creation_timestamp: i64,
    lifecycle_stage: Option<String>,
}

#[derive(Deserialize)]
struct VersionMeta {
    name: String,
    version: u64,
    source: Option<String>,
    storage_location: Option<String>,
    run_id: Option<String>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    current_stage: String,
}

impl Files {
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        if !root.is_dir() {
            return Err(Error::usage(
                format!("there is no store at '{}'", root.display()),
                "--tracking-uri names a server, a directory mlruns or a sqlite:/// file",
            ));
        }
        let mut roots = vec![root.to_owned()];
        roots.extend(root.parent().map(|parent| parent.join("mlartifacts")));
        Ok(Self { root: root.to_owned(), roots })
    }

    /// The one directory of this name in some experiment.
    fn in_experiments(&self, below: &Path) -> Result<Option<PathBuf>, Error> {
        for parent in [self.root.clone(), self.root.join(TRASH)] {
            for experiment in directories(&parent)? {
                let found = experiment.join(below);
                if found.join(META).is_file() {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    fn run_directory(&self, id: &str) -> Result<Option<PathBuf>, Error> {
        if is_name(id) { self.in_experiments(Path::new(id)) } else { Ok(None) }
    }

    fn model(directory: &Path) -> Result<Option<LoggedModel>, Error> {
        let Some(meta): Option<ModelMeta> = read(&directory.join(META))? else { return Ok(None) };
        if meta.lifecycle_stage.as_deref() == Some("deleted") {
            return Ok(None);
        }
        let id = directory.file_name().unwrap_or_default();
        Ok(Some(LoggedModel {
            id: id.to_string_lossy().into_owned(),
            experiment_id: text(&meta.experiment_id),
            name: meta.name,
            artifact_uri: meta.artifact_location,
            unfinished: super::unfinished(meta.status),
            source_run_id: meta.source_run_id,
            created: meta.creation_timestamp,
        }))
    }

    fn registered(&self, name: &str) -> Option<PathBuf> {
        let directory = self.root.join(MODELS).join(name);
        (is_name(name) && directory.join(META).is_file()).then_some(directory)
    }

    fn versions(directory: &Path, selector: &Selector) -> Result<Vec<Version>, Error> {
        let mut versions = Vec::new();
        for version in directories(directory)? {
            let is_version = version
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"version-"));
            let meta: Option<VersionMeta> =
                if is_version { read(&version.join(META))? } else { None };
            let Some(meta) = meta.filter(|meta| meta.current_stage != DELETED) else { continue };
            let version = Version {
                name: meta.name,
                number: meta.version,
                source: meta.source.unwrap_or_default(),
                storage: meta.storage_location,
                run_id: meta.run_id.filter(|id| !id.is_empty()),
                status: meta.status,
            };
            if version.is(&meta.current_stage, selector) {
                versions.push(version);
            }
        }
        Ok(versions)
    }
}

impl Backend for Files {
    fn run(&self, id: &str) -> Result<Option<Run>, Error> {
        let Some(directory) = self.run_directory(id)? else { return Ok(None) };
        let Some(meta): Option<RunMeta> = read(&directory.join(META))? else { return Ok(None) };
        let in_trash = directory.starts_with(self.root.join(TRASH));
        Ok(Some(Run {
            id: id.into(),
            experiment_id: text(&meta.experiment_id),
            artifact_uri: meta.artifact_uri,
            deleted: in_trash || meta.lifecycle_stage.as_deref() == Some("deleted"),
            history: fs::read_to_string(directory.join("tags").join(HISTORY)).ok(),
            may_have_logged_models: true,
        }))
    }

    fn logged_model(&self, id: &str) -> Result<Option<LoggedModel>, Error> {
        if !is_name(id) {
            return Ok(None);
        }
        let found = self.in_experiments(&Path::new(MODELS).join(id))?;
        found.map_or(Ok(None), |directory| Self::model(&directory))
    }

    fn logged_models(&self, run: &Run) -> Result<Vec<LoggedModel>, Error> {
        let Some(directory) = self.run_directory(&run.id)? else { return Ok(Vec::new()) };
        let mut models = Vec::new();
        for model in directories(&directory.with_file_name(MODELS))? {
            // Most are other runs', and need not be understood.
            if mentions(&model.join(META), &run.id) {
                models.extend(Self::model(&model)?);
            }
        }
        models.retain(|model| model.source_run_id.as_deref() == Some(run.id.as_str()));
        LoggedModel::last_first(&mut models);
        Ok(models)
    }

    fn version(&self, name: &str, selector: &Selector) -> Result<Option<Version>, Error> {
        let Some(directory) = self.registered(name) else { return Ok(None) };
        let selector = match selector {
            Selector::Alias(alias) if !is_name(alias) => return Ok(None),
            Selector::Alias(alias) => {
                let file = directory.join("aliases").join(alias);
                let number =
                    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
                let Some(number) = number else { return Ok(None) };
                &Selector::Version(number)
            }
            other => other,
        };
        Ok(Version::newest(Self::versions(&directory, selector)?))
    }

    fn registered_model(&self, name: &str) -> Result<Option<RegisteredModel>, Error> {
        let Some(directory) = self.registered(name) else { return Ok(None) };
        let mut versions: Vec<_> = Self::versions(&directory, &Selector::Latest)?
            .iter()
            .map(|found| found.number)
            .collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        let mut aliases = Vec::new();
        for entry in fs::read_dir(directory.join("aliases")).into_iter().flatten().flatten() {
            if let Ok(version) = fs::read_to_string(entry.path()) {
                let alias = entry.file_name().to_string_lossy().into_owned();
                aliases.push((alias, version.trim().into()));
            }
        }
        aliases.sort();
        Ok(Some(RegisteredModel { versions, aliases }))
    }

    fn some_registered_models(&self) -> Result<Vec<String>, Error> {
        let models = directories(&self.root.join(MODELS))?;
        Ok(models
            .iter()
            .filter(|model| model.join(META).is_file())
            .filter_map(|model| Some(model.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn list(&self, root: Root<'_>, path: &str) -> Result<Vec<FileInfo>, Error> {
        super::list_recorded(self, root, path)
    }

    fn place(&self, location: Location) -> Result<Location, Error> {
        recorded::place(location, self, &self.roots)
    }
}

impl Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.display())
    }
}

/// One component of a path, and no step up.
fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['/', '\0'])
}

/// The directories in one, in order; none where it is not there.
fn directories(parent: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", parent, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::file("read", parent, error))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn mentions(path: &Path, id: &str) -> bool {
    let mut text = String::new();
    let file = fs::File::open(path).map(|file| file.take(MAX_META));
    file.and_then(|mut file| file.read_to_string(&mut text)).is_ok() && text.contains(id)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let size = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path, error)),
    };
    let unusable =
        |why: &dyn Display| Error::broken(format!("'{}' is not MLflow's: {why}", path.display()));
    if size > MAX_META {
        return Err(unusable(&"it is larger than 4 MiB"));
    }
    let bytes = fs::read(path).map_err(|error| Error::file("read", path, error))?;
    serde_yaml_ng::from_slice(&bytes).map(Some).map_err(|error| unusable(&error))
}

/// An id, which YAML may take for a number.
fn text(id: &Value) -> String {
    match id {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
