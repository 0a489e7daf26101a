//! Where MLflow keeps its records, as it was given: a server or a local store.

use std::convert::Infallible;
use std::fmt::{self, Debug, Display};
use std::net::SocketAddr;
use std::path::{Path, PathBuf, absolute};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use transport::without_secrets as shown;

use crate::candidates::quoted;
use crate::error::Error;
use crate::location::{Location, split_scheme};
use crate::login::Secret;
use crate::server::Server;

/// A tracking URI as it was given. What is shown of it has no credentials.
#[derive(Clone)]
pub struct TrackingUri(Secret);

/// What a tracking URI leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Server(Server),
    Store(StoreUri),
}

/// A store on this machine, by an absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUri {
    /// `mlruns`.
    Files(PathBuf),
    Sqlite(PathBuf),
}

impl TrackingUri {
    pub fn target(&self) -> Result<Target, Error> {
        let uri = self.0.expose();
        if matches!(uri, "databricks" | "databricks-uc") {
            return Err(unsupported(uri, uri));
        }
        if uri.parse::<SocketAddr>().is_ok() {
            return Err(no_scheme(uri));
        }
        let Some((scheme, rest)) = split_scheme(uri) else { return files(Path::new(uri)) };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Server::parse(uri).map(Target::Server),
            "file" => match uri.parse::<Location>() {
                Ok(Location::Local(path)) => files(&path),
                _ => Err(unsupported(&shown(uri), scheme)),
            },
            // Also as `sqlite+pysqlite`: how Python reads it does not matter.
            "sqlite" => sqlite(rest, uri),
            scheme if scheme.starts_with("sqlite+") => sqlite(rest, uri),
            // HOST:PORT
            _ if rest.starts_with(|first: char| first.is_ascii_digit()) => Err(no_scheme(uri)),
            scheme => Err(unsupported(&shown(uri), scheme)),
        }
    }
}

impl StoreUri {
    /// The store that MLflow takes in a directory where nothing is set: its
    /// database, unless there are experiments in files from before 3.8.
    pub fn of_directory(directory: &Path) -> Option<Self> {
        let directory = absolute(directory).ok()?;
        let files = directory.join("mlruns");
        if has_experiments(&files) {
            return Some(Self::Files(files));
        }
        let database = directory.join("mlflow.db");
        database.is_file().then_some(Self::Sqlite(database))
    }
}

fn has_experiments(directory: &Path) -> bool {
    let is_experiment = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
            && entry.path().join("meta.yaml").exists()
    };
    directory.read_dir().into_iter().flatten().flatten().any(is_experiment)
}

fn files(path: &Path) -> Result<Target, Error> {
    if path.is_file() {
        let path = absolute(path).unwrap_or_else(|_| path.to_owned());
        return Err(Error::usage(
            format!("tracking URI '{}' is a file", path.display()),
            format!("write a database as sqlite:///{}", path.display()),
        ));
    }
    let path = absolute(path).map_err(|error| Error::file("find", path, error))?;
    if let Some(store) = StoreUri::of_directory(&path).filter(|_| !has_experiments(&path)) {
        return Err(Error::usage(
            format!("tracking URI '{}' is the directory that a store is in", path.display()),
            format!("write --tracking-uri {}", quoted(&store.to_string())),
        ));
    }
    Ok(Target::Store(StoreUri::Files(path)))
}

/// `sqlite:///relative.db`, `sqlite:////absolute.db`. MLflow writes the path
/// encoded and SQLAlchemy reads it as it is, so both have to be tried.
fn sqlite(rest: &str, uri: &str) -> Result<Target, Error> {
    let path = rest.strip_prefix("///").unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path.starts_with(':') || path.starts_with("file:") {
        return Err(Error::usage(
            format!("tracking URI '{}' names no database file", shown(uri)),
            "write sqlite:///mlflow.db for one in this directory, sqlite:////x/mlflow.db for another",
        ));
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let path = if Path::new(path).exists() { Path::new(path) } else { Path::new(&*decoded) };
    let path = absolute(path).map_err(|error| Error::file("find", path, error))?;
    Ok(Target::Store(StoreUri::Sqlite(path)))
}

fn no_scheme(uri: &str) -> Error {
    Error::usage(
        format!("tracking URI '{}' does not begin with http:// or https://", shown(uri)),
        format!("write --tracking-uri http://{}", shown(uri)),
    )
}

fn unsupported(shown: &str, scheme: &str) -> Error {
    let serve = || {
        format!(
            "read it through a server: mlflow server --backend-store-uri '{shown}', \
             then --tracking-uri http://127.0.0.1:5000"
        )
    };
    let (what, hint) = match scheme {
        "databricks" | "databricks-uc" | "uc" => (
            "is Databricks, which has an API of its own",
            "download the model with Databricks' tools and give its directory".into(),
        ),
        scheme if is_database(scheme) => ("is a database server", serve()),
        "arn" => (
            "is a service of AWS, which wants its own signatures",
            "download the model with MLflow and give its directory".into(),
        ),
        _ => (
            "is none that this tool reads",
            "it reads http://HOST:PORT, https://HOST, sqlite:///FILE and a directory mlruns".into(),
        ),
    };
    Error::usage(format!("tracking URI '{shown}' {what}"), hint)
}

/// SQLAlchemy's names, with or without a driver: `mysql+pymysql`.
fn is_database(scheme: &str) -> bool {
    let name = scheme.split('+').next().unwrap_or_default();
    matches!(name, "postgresql" | "postgres" | "mysql" | "mssql")
}

impl FromStr for TrackingUri {
    type Err = Infallible;

    fn from_str(uri: &str) -> Result<Self, Infallible> {
        Ok(Self(Secret::new(uri.trim())))
    }
}

impl Display for TrackingUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.0.expose()))
    }
}

impl Debug for TrackingUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// So that it can be given again, from any directory.
impl Display for StoreUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(path) => write!(f, "{}", path.display()),
            Self::Sqlite(path) => write!(f, "sqlite:///{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use deployment::Explain;

    use super::*;
    use crate::login::Credentials;

    fn target(uri: &str) -> Result<Target, Error> {
        uri.parse::<TrackingUri>().unwrap().target()
    }

    #[test]
    fn credentials_in_a_uri_are_used_and_never_shown() {
        let uri: TrackingUri =
            "https://ana:s%40cret@mlflow.example.com:8443/team/".parse().unwrap();
        let Ok(Target::Server(server)) = uri.target() else { panic!("{uri}") };
        assert_eq!(uri.to_string(), "https://mlflow.example.com:8443/team/");
        assert_eq!(server.to_string(), "https://mlflow.example.com:8443/team");
        assert_eq!(server.userinfo(), Some(&Credentials::basic("ana", "s@cret")));
        assert!(!format!("{uri:?} {server:?}").contains("cret"));
    }

    #[test]
    fn whatever_is_wrong_the_password_does_not_show() {
        for uri in [
            "http://ana:secret@",
            "http://ana:secret@host:99999",
            "http://ana:secret@ho st/",
            "http://ana:secret@host/?x",
            "http://ana:se/cret@host/?x",
            "postgresql://ana:secret@db/mlflow",
            "mysql+pymysql://ana:secret@db/mlflow",
        ] {
            let error = target(uri).unwrap_err();
            let text = format!("{error} {:?}", error.hint());
            assert!(!text.contains("cret"), "{text}");
        }
    }

    #[test]
    fn local_stores_are_found_from_wherever_they_were_named() {
        let here = std::env::current_dir().unwrap();
        for (uri, path) in [
            ("sqlite:///mlflow.db", here.join("mlflow.db")),
            ("sqlite:///./a/../m.db?timeout=5", here.join("a/../m.db")),
            ("sqlite:////x/mlflow.db", "/x/mlflow.db".into()),
            ("sqlite+pysqlite:////x/a%20b.db", "/x/a b.db".into()),
        ] {
            assert_eq!(target(uri).unwrap(), Target::Store(StoreUri::Sqlite(path)), "{uri}");
        }
        for (uri, path) in [
            ("./mlruns", here.join("mlruns")),
            ("/x/mlruns", "/x/mlruns".into()),
            ("file:///x/ml%20runs", "/x/ml runs".into()),
        ] {
            assert_eq!(target(uri).unwrap(), Target::Store(StoreUri::Files(path)), "{uri}");
        }
        let error = target(file!().rsplit('/').next().map(|_| "Cargo.toml").unwrap()).unwrap_err();
        assert!(error.hint().unwrap().contains("sqlite:////"), "a file is no mlruns");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_a_way_out() {
        for (uri, hint) in [
            ("databricks", "Databricks"),
            ("databricks://profile", "Databricks"),
            ("uc:http://h", "Databricks"),
            ("postgresql://db/mlflow", "--backend-store-uri 'postgresql://db/mlflow'"),
            ("mssql+pyodbc://db/mlflow", "--backend-store-uri"),
            ("arn:aws:sagemaker:us-east-1:1:mlflow-tracking-server/x", "MLflow"),
            ("localhost:5000", "--tracking-uri http://localhost:5000"),
            ("127.0.0.1:5000", "--tracking-uri http://127.0.0.1:5000"),
            ("[::1]:5000", "--tracking-uri http://[::1]:5000"),
            ("ftp://h/x", "sqlite:///FILE"),
            ("sqlite://", "sqlite:///mlflow.db"),
            ("sqlite:///:memory:", "sqlite:///mlflow.db"),
        ] {
            let text = target(uri).unwrap_err().hint().unwrap();
            assert!(text.contains(hint), "{uri}: {text}");
        }
    }

    #[test]
    fn a_directory_has_the_store_that_mlflow_takes_there() {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path();
        assert_eq!(StoreUri::of_directory(directory), None);
        let database = directory.join("mlflow.db");
        std::fs::write(&database, "").unwrap();
        let experiment = directory.join("mlruns/0");
        std::fs::create_dir_all(&experiment).unwrap();
        assert_eq!(StoreUri::of_directory(directory), Some(StoreUri::Sqlite(database)));
        std::fs::write(experiment.join("meta.yaml"), "").unwrap();
        let files = StoreUri::Files(directory.join("mlruns"));
        let hint = target(directory.to_str().unwrap()).unwrap_err().hint().unwrap();
        assert_eq!(hint, format!("write --tracking-uri {files}"));
        assert_eq!(StoreUri::of_directory(directory), Some(files));
    }
}
