//! MLflow's database in one file, read beside a server that may be writing it.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Params, Row, ffi};

use super::{
    Backend, DELETED, FileInfo, HISTORY, LoggedModel, RegisteredModel, Root, Run, Version, recorded,
};
use crate::error::Error;
use crate::location::Location;
use crate::uri::Selector;

/// MLflow's word for the workspace of those who have none.
const DEFAULT_WORKSPACE: &str = "default";
/// A writer holds the file for no longer than a commit takes.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Sqlite {
    path: PathBuf,
    roots: Vec<PathBuf>,
    connection: Mutex<Connection>,
    /// In newer databases each registered model is in one.
    workspace: Option<String>,
    /// Since 3.0.
    logged_models: bool,
}

impl Sqlite {
    pub(super) fn open(path: &Path, workspace: Option<&str>) -> Result<Self, Error> {
        if !path.is_file() {
            return Err(Error::usage(
                format!("there is no database at '{}'", path.display()),
                "sqlite:///mlflow.db is in this directory, sqlite:////x/mlflow.db is not",
            ));
        }
        let connection = connect(path).map_err(|error| failed(path, &error))?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        let roots = ["mlruns", "mlartifacts", "artifacts"].map(|name| directory.join(name));
        let mut store = Self {
            path: path.to_owned(),
            roots: roots.into_iter().chain([directory.to_owned()]).collect(),
            connection: Mutex::new(connection),
            workspace: None,
            logged_models: false,
        };
        if !store.has_column("runs", "artifact_uri")? {
            return Err(Error::broken(format!("'{}' is not a database of MLflow", path.display())));
        }
        store.logged_models = store.has_column("logged_models", "artifact_location")?;
        if store.has_column("model_versions", "workspace")? {
            store.workspace = Some(workspace.unwrap_or(DEFAULT_WORKSPACE).into());
        }
        Ok(store)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_column(&self, table: &str, column: &str) -> Result<bool, Error> {
        let query = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
        Ok(self.first(query, (table, column), |_| Ok(()))?.is_some())
    }

    fn first<T>(
        &self,
        query: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let connection = self.connection();
        let found = connection.query_row(query, params, read).optional();
        found.map_err(|error| failed(&self.path, &error))
    }

    fn all<T>(
        &self,
        query: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let connection = self.connection();
        let found = connection
            .prepare(query)
            .and_then(|mut statement| statement.query_map(params, read)?.collect());
        found.map_err(|error| failed(&self.path, &error))
    }

    /// A condition, that the row is of our workspace where rows have one. The
    /// parameter is always there.
    fn in_workspace(&self, number: u8) -> String {
        match self.workspace {
            Some(_) => format!("workspace = ?{number}"),
            None => format!("?{number} IS NULL"),
        }
    }

    fn models(&self, condition: &str, id: &str) -> Result<Vec<LoggedModel>, Error> {
        if !self.logged_models {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT model_id, CAST(experiment_id AS TEXT), name, artifact_location, status, \
             source_run_id, creation_timestamp_ms FROM logged_models \
             WHERE lifecycle_stage = 'active' AND {condition}"
        );
        self.all(&query, [id], |row| {
            Ok(LoggedModel {
                id: row.get(0)?,
                experiment_id: row.get(1)?,
                name: row.get(2)?,
                artifact_uri: row.get(3)?,
                unfinished: super::unfinished(row.get(4)?),
                source_run_id: row.get(5)?,
                created: row.get(6)?,
            })
        })
    }

    fn versions(&self, name: &str, selector: &Selector) -> Result<Vec<Version>, Error> {
        let query = format!(
            "SELECT name, version, source, storage_location, run_id, status, current_stage \
             FROM model_versions WHERE name = ?1 AND {} AND current_stage IS NOT ?3",
            self.in_workspace(2)
        );
        let found = self.all(&query, (name, &self.workspace, DELETED), |row| {
            let version = Version {
                name: row.get(0)?,
                number: row.get::<_, u32>(1)?.into(),
                source: row.get::<_, Option<_>>(2)?.unwrap_or_default(),
                storage: row.get(3)?,
                run_id: row.get::<_, Option<String>>(4)?.filter(|id| !id.is_empty()),
                status: row.get::<_, Option<_>>(5)?.unwrap_or_default(),
            };
            Ok((version, row.get::<_, Option<String>>(6)?.unwrap_or_default()))
        })?;
        let taken = found.into_iter().filter(|(version, stage)| version.is(stage, selector));
        Ok(taken.map(|(version, _)| version).collect())
    }

    fn aliases(&self, name: &str) -> Result<Vec<(String, u64)>, Error> {
        if !self.has_column("registered_model_aliases", "alias")? {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT alias, version FROM registered_model_aliases \
             WHERE name = ?1 AND {} ORDER BY alias",
            self.in_workspace(2)
        );
        self.all(&query, (name, &self.workspace), |row| {
            Ok((row.get(0)?, row.get::<_, u32>(1)?.into()))
        })
    }
}

impl Backend for Sqlite {
    fn run(&self, id: &str) -> Result<Option<Run>, Error> {
        let query = "SELECT CAST(experiment_id AS TEXT), artifact_uri, lifecycle_stage, \
            (SELECT value FROM tags WHERE tags.run_uuid = runs.run_uuid AND key = ?2) \
            FROM runs WHERE run_uuid = ?1";
        self.first(query, (id, HISTORY), |row| {
            Ok(Run {
                id: id.into(),
                experiment_id: row.get(0)?,
                artifact_uri: row.get(1)?,
                deleted: row.get::<_, Option<String>>(2)?.as_deref() == Some("deleted"),
                history: row.get(3)?,
                may_have_logged_models: self.logged_models,
            })
        })
    }

    fn logged_model(&self, id: &str) -> Result<Option<LoggedModel>, Error> {
        Ok(self.models("model_id = ?1", id)?.pop())
    }

    fn logged_models(&self, run: &Run) -> Result<Vec<LoggedModel>, Error> {
        let mut models = self.models("source_run_id = ?1", &run.id)?;
        models.retain(|model| model.experiment_id == run.experiment_id);
        LoggedModel::last_first(&mut models);
        Ok(models)
    }

    fn version(&self, name: &str, selector: &Selector) -> Result<Option<Version>, Error> {
        let selector = match selector {
            Selector::Alias(wanted) => {
                let aliases = self.aliases(name)?;
                let found = aliases.into_iter().find(|(alias, _)| alias == wanted);
                let Some((_, number)) = found else { return Ok(None) };
                &Selector::Version(number)
            }
            other => other,
        };
        Ok(Version::newest(self.versions(name, selector)?))
    }

    fn registered_model(&self, name: &str) -> Result<Option<RegisteredModel>, Error> {
        let query =
            format!("SELECT 1 FROM registered_models WHERE name = ?1 AND {}", self.in_workspace(2));
        if self.first(&query, (name, &self.workspace), |_| Ok(()))?.is_none() {
            return Ok(None);
        }
        let mut versions: Vec<_> =
            self.versions(name, &Selector::Latest)?.iter().map(|found| found.number).collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        let aliases = self.aliases(name)?.into_iter();
        let aliases = aliases.map(|(alias, version)| (alias, version.to_string())).collect();
        Ok(Some(RegisteredModel { versions, aliases }))
    }

    fn some_registered_models(&self) -> Result<Vec<String>, Error> {
        let query = format!(
            "SELECT name FROM registered_models WHERE {} ORDER BY name LIMIT 20",
            self.in_workspace(1)
        );
        self.all(&query, [&self.workspace], |row| row.get(0))
    }

    fn list(&self, root: Root<'_>, path: &str) -> Result<Vec<FileInfo>, Error> {
        super::list_recorded(self, root, path)
    }

    fn place(&self, location: Location) -> Result<Location, Error> {
        recorded::place(location, self, &self.roots)
    }
}

impl Display for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:///{}", self.path.display())
    }
}

/// Only reads, but takes part in the locking, so that a commit is seen whole
/// or not at all. With a write-ahead log that takes a file beside the database;
/// where none can be made and no log is, nobody is writing either, and the file
/// is read as one that does not change.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = |connection: Connection| {
        connection.busy_timeout(PATIENCE)?;
        connection.query_row("SELECT count(*) FROM sqlite_master", (), |_| Ok(()))?;
        Ok(connection)
    };
    let log = PathBuf::from(format!("{}-wal", path.display()));
    match Connection::open_with_flags(path, flags).and_then(open) {
        Err(error) if needs_a_file(&error) && !log.exists() => {
            let uri = url::Url::from_file_path(path).map_err(|()| error)?;
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("{uri}?immutable=1"), flags).and_then(open)
        }
        result => result,
    }
}

fn needs_a_file(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_READONLY_DIRECTORY | ffi::SQLITE_READONLY_CANTINIT))
        || error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
}

fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds it; try again when that is done".into()
        }
        Some(ErrorCode::ReadOnly) => {
            "a process that wrote it was killed; open it once with MLflow, which mends it".into()
        }
        _ => "is it a database of MLflow 2 or 3?".into(),
    };
    Error::Source {
        what: format!("cannot read the database '{}'", path.display()),
        kind: deployment::Kind::Failed,
        hint: Some(hint),
        retry_after: None,
        // Its own source says the same in other words.
        source: error.to_string().into(),
    }
}
