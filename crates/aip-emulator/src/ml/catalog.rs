//! What exists: models, their versions, and operations. Kept in one JSON file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::operation::Operation;
use super::refusal::{no_model, no_version};
use crate::error::ApiError;
use crate::say::say;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Catalog {
    pub projects: BTreeMap<String, Project>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Project {
    pub models: BTreeMap<String, Model>,
    pub operations: BTreeMap<String, Operation>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Model {
    /// The fields that the client set, without the name
    pub spec: Map<String, Value>,
    pub default_version: Option<String>,
    pub etag: String,
    pub versions: BTreeMap<String, Version>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Version {
    /// The fields that the client set, without the name
    pub spec: Map<String, Value>,
    pub state: State,
    pub create_time: String,
    pub last_use_time: Option<String>,
    pub error_message: Option<String>,
    pub etag: String,
    /// Where its copies are, below the directory of deployed versions
    pub dir: PathBuf,
    /// The interpreter of its environment, once there is one
    pub runtime: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum State {
    Creating,
    Ready,
    Failed,
    Updating,
    Deleting,
}

impl Catalog {
    pub(super) fn model(&self, project: &str, model: &str) -> Result<&Model, ApiError> {
        let found = self.projects.get(project).and_then(|p| p.models.get(model));
        found.ok_or_else(|| no_model(model))
    }

    pub(super) fn model_mut(&mut self, project: &str, model: &str) -> Result<&mut Model, ApiError> {
        let found = self.projects.get_mut(project).and_then(|p| p.models.get_mut(model));
        found.ok_or_else(|| no_model(model))
    }

    pub(super) fn operations(&mut self, project: &str) -> &mut BTreeMap<String, Operation> {
        &mut self.projects.entry(project.to_owned()).or_default().operations
    }
}

impl Model {
    pub(super) fn version(&self, name: &str) -> Result<&Version, ApiError> {
        self.versions.get(name).ok_or_else(|| no_version(name))
    }

    pub(super) fn version_mut(&mut self, name: &str) -> Result<&mut Version, ApiError> {
        self.versions.get_mut(name).ok_or_else(|| no_version(name))
    }

    pub(super) fn is_default(&self, version: &str) -> bool {
        self.default_version.as_deref() == Some(version)
    }

    /// The resource as the API shows it; `name` is the full one.
    pub(super) fn show(&self, name: &str) -> Value {
        let mut shown = json!({ "name": name });
        extend(&mut shown, &self.spec);
        if let Some((default, version)) =
            self.default_version.as_ref().and_then(|name| self.versions.get_key_value(name))
        {
            shown["defaultVersion"] = version.show(&format!("{name}/versions/{default}"), true);
        }
        shown["etag"] = self.etag.clone().into();
        shown
    }
}

impl Version {
    pub(super) fn show(&self, name: &str, is_default: bool) -> Value {
        let mut shown = json!({ "name": name });
        extend(&mut shown, &self.spec);
        if is_default {
            shown["isDefault"] = true.into();
        }
        shown["createTime"] = self.create_time.clone().into();
        shown["state"] = json!(self.state);
        for (key, value) in
            [("lastUseTime", &self.last_use_time), ("errorMessage", &self.error_message)]
        {
            if let Some(value) = value {
                shown[key] = value.clone().into();
            }
        }
        shown["etag"] = self.etag.clone().into();
        shown
    }
}

/// Fields at their default value are not shown, as in all JSON of protocol buffers.
fn extend(shown: &mut Value, spec: &Map<String, Value>) {
    for (key, value) in spec {
        let is_default = match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(_) | Value::Number(_) => false,
        };
        if !is_default {
            shown[key] = value.clone();
        }
    }
}

/// Now, as the API writes times.
pub(super) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// A number for names that carry their time: never the same twice.
pub(super) fn epoch_millis() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let next = |last: u64| now.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    last.map_or(now, next)
}

/// Another one for every change; base64, or Google's own client stumbles.
pub(super) fn etag() -> String {
    STANDARD.encode(&Sha256::digest(epoch_millis().to_be_bytes())[..8])
}

/// The catalog and its file.
#[derive(Debug)]
pub(super) struct Shared {
    file: PathBuf,
    catalog: Mutex<Catalog>,
}

impl Shared {
    /// Takes up what an earlier run left. A file that cannot be read is put
    /// aside, not overwritten.
    pub(super) fn open(dir: &Path) -> Self {
        let file = dir.join("catalog.json");
        let read = std::fs::read(&file).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        let mut catalog: Catalog = read.unwrap_or_else(|err| {
            if err.kind() != io::ErrorKind::NotFound {
                say(&format!("cannot read '{}', starting without it: {err}", file.display()));
                let _ = std::fs::rename(&file, file.with_extension("unreadable.json"));
            }
            Catalog::default()
        });
        catalog.close_interrupted();
        Self { file, catalog: Mutex::new(catalog) }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Catalog) -> T) -> T {
        look(&self.lock())
    }

    /// For what need not survive a restart.
    pub(super) fn touch(&self, change: impl FnOnce(&mut Catalog)) {
        change(&mut self.lock());
    }

    /// Changes the catalog and saves it. `change` must leave it as it was
    /// when it refuses.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Catalog) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut catalog = self.lock();
        let done = change(&mut catalog)?;
        self.save(&catalog).map_err(|err| {
            say(&format!("cannot write '{}': {err}", self.file.display()));
            ApiError::new(500, "INTERNAL", "The emulator cannot write its data directory.")
        })?;
        Ok(done)
    }

    fn save(&self, catalog: &Catalog) -> io::Result<()> {
        let dir = self.file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir)?;
        let mut new = tempfile::NamedTempFile::new_in(dir)?;
        serde_json::to_writer_pretty(&mut new, catalog)?;
        new.persist(&self.file).map_err(|err| err.error)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_etags_never_repeat() {
        let numbers: Vec<u64> = (0..1000).map(|_| epoch_millis()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_ne!(etag(), etag());
        assert_eq!(STANDARD.decode(etag()).unwrap().len(), 8);
    }

    #[test]
    fn a_catalog_comes_back_and_a_broken_one_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::open(dir.path());
        let model = Model {
            spec: Map::from_iter([("description".to_owned(), "ä".into())]),
            default_version: None,
            etag: etag(),
            versions: BTreeMap::new(),
        };
        shared
            .change(|catalog| {
                let project = catalog.projects.entry("p".to_owned()).or_default();
                Ok(project.models.insert("m".to_owned(), model))
            })
            .unwrap();
        let again = Shared::open(dir.path());
        let shown = |shared: &Shared| shared.read(|c| c.model("p", "m").unwrap().show("n"));
        assert_eq!(shown(&again), shown(&shared));

        std::fs::write(dir.path().join("catalog.json"), "{").unwrap();
        assert!(Shared::open(dir.path()).read(|c| c.projects.is_empty()));
        assert!(dir.path().join("catalog.unreadable.json").exists());
    }
}
