//! What MLflow knows of runs, logged models and the registry, and who tells it:
//! a tracking server, or a store that lies on this machine.

mod files;
mod recorded;
mod rest;
mod sqlite;
#[cfg(test)]
mod tests;

use std::fmt::{self, Debug, Display};

use crate::absent;
pub(crate) use crate::api::FileInfo;
use crate::client::Client;
use crate::error::Error;
use crate::location::Location;
use crate::resolved::Resolved;
use crate::tracking_uri::StoreUri;
use crate::uri::{ModelUri, Selector};

/// Somebody who can be asked.
pub struct Tracking(Box<dyn Backend>);

impl Tracking {
    pub fn server(client: Client) -> Self {
        Self(Box::new(client))
    }

    /// A store that is read without a server. `workspace` is MLflow 3's, of
    /// the model registry.
    pub fn store(uri: &StoreUri, workspace: Option<&str>) -> Result<Self, Error> {
        Ok(Self(match uri {
            StoreUri::Files(root) => Box::new(files::Files::open(root)?),
            StoreUri::Sqlite(path) => Box::new(sqlite::Sqlite::open(path, workspace)?),
        }))
    }

    /// The server, where it is one.
    pub fn client(&self) -> Option<&Client> {
        self.0.client()
    }

    /// Why a place that is recorded is empty, and what is there instead.
    pub fn nothing_at(&self, resolved: &Resolved) -> Error {
        absent::artifacts(self.backend(), resolved)
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.0
    }
}

impl Debug for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tracking({})", self.0)
    }
}

/// The questions that finding a model takes. What is not there is `None`; an
/// error means that it could not be asked. It shows as the place it asks.
pub(crate) trait Backend: Display + Send + Sync {
    fn run(&self, id: &str) -> Result<Option<Run>, Error>;

    fn logged_model(&self, id: &str) -> Result<Option<LoggedModel>, Error>;

    /// The logged models that name the run as their source, the last one first.
    /// Not the run's outputs, which lack what a program made by itself
    /// (`create_logged_model`), and may name others' as well; MLflow's client
    /// searches the run's experiment too.
    fn logged_models(&self, run: &Run) -> Result<Vec<LoggedModel>, Error>;

    fn version(&self, name: &str, selector: &Selector) -> Result<Option<Version>, Error>;

    /// Where a version's files are, which is not always what it was made from.
    fn download_uri(&self, version: &Version) -> Result<String, Error> {
        Ok(version.storage.as_ref().unwrap_or(&version.source).clone())
    }

    fn registered_model(&self, name: &str) -> Result<Option<RegisteredModel>, Error>;

    /// Some registered models: to say what there is, not to find one.
    fn some_registered_models(&self) -> Result<Vec<String>, Error>;

    /// A directory; paths are relative to the root.
    fn list(&self, root: Root<'_>, path: &str) -> Result<Vec<FileInfo>, Error>;

    /// Where what is recorded as this is found from here.
    fn place(&self, recorded: Location) -> Result<Location, Error>;

    fn client(&self) -> Option<&Client> {
        None
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) experiment_id: String,
    pub(crate) artifact_uri: String,
    pub(crate) deleted: bool,
    /// MLflow 2 notes here, as JSON, each model that a run logged.
    pub(crate) history: Option<String>,
    /// Whether whoever tells of it knows logged models, which came with MLflow 3.
    pub(crate) may_have_logged_models: bool,
}

/// The tag that [`Run::history`] is kept in.
const HISTORY: &str = "mlflow.log-model.history";

/// MLflow 3's model outside a run's artifacts.
#[derive(Clone, Debug)]
pub(crate) struct LoggedModel {
    pub(crate) id: String,
    pub(crate) experiment_id: String,
    pub(crate) name: String,
    pub(crate) artifact_uri: String,
    /// Why it may not be whole, in MLflow's words.
    pub(crate) unfinished: Option<String>,
    pub(crate) source_run_id: Option<String>,
    created: i64,
}

impl LoggedModel {
    /// Made in one millisecond, the order is at least always the same.
    fn last_first(models: &mut [Self]) {
        models.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) source: String,
    /// As stores record it; a server tells it when it is asked.
    storage: Option<String>,
    pub(crate) run_id: Option<String>,
    pub(crate) status: String,
}

/// A version that was deleted keeps its place under this name.
const DELETED: &str = "Deleted_Internal";

impl Version {
    /// Whether a selector other than an alias takes it, in its stage.
    fn is(&self, stage: &str, selector: &Selector) -> bool {
        match selector {
            Selector::Version(number) => self.number == *number,
            Selector::Stage(wanted) => stage.eq_ignore_ascii_case(wanted),
            Selector::Latest => true,
            Selector::Alias(_) => false,
        }
    }

    fn newest(versions: Vec<Self>) -> Option<Self> {
        versions.into_iter().max_by_key(|version| version.number)
    }
}

/// As much of a registered model as a hint needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegisteredModel {
    pub(crate) versions: Vec<u64>,
    pub(crate) aliases: Vec<(String, String)>,
}

/// What a listing's path begins at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Root<'a> {
    Run(&'a str),
    Logged(&'a str),
}

impl Root<'_> {
    pub(crate) fn uri(self, path: &str) -> ModelUri {
        let path = Some(path.to_owned()).filter(|path| !path.is_empty());
        match self {
            Self::Run(id) => ModelUri::Run { run_id: id.into(), path },
            Self::Logged(id) => ModelUri::Logged { model_id: id.into(), path },
        }
    }
}

/// MLflow's number for a logged model that is ready is 2; none was written by
/// the first versions.
fn unfinished(status: Option<u8>) -> Option<String> {
    match status {
        None | Some(2) => None,
        Some(1) => Some("LOGGED_MODEL_PENDING".into()),
        Some(3) => Some("LOGGED_MODEL_UPLOAD_FAILED".into()),
        Some(other) => Some(format!("in state {other}")),
    }
}

/// [`Backend::list`] of a store whose artifacts this machine can see.
fn list_recorded(
    backend: &dyn Backend,
    root: Root<'_>,
    path: &str,
) -> Result<Vec<FileInfo>, Error> {
    let recorded = match root {
        Root::Run(id) => backend.run(id)?.map(|run| run.artifact_uri),
        Root::Logged(id) => backend.logged_model(id)?.map(|model| model.artifact_uri),
    };
    let Some(recorded) = recorded else { return Ok(Vec::new()) };
    recorded::list(&backend.place(recorded.parse()?)?, path)
}
