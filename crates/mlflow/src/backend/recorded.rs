//! Where a store's records lead on this machine.
//!
//! Paths are recorded as they were when the run was made; a store that was
//! moved or copied has its artifacts still where MLflow puts them.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use super::FileInfo;
use crate::error::Error;
use crate::location::{Location, Proxy, join};
use crate::uri::{is_model_id, is_run_id};

/// Where artifacts are, by the directories that a store of this place has them
/// in, the likeliest first.
pub(super) fn place(
    recorded: Location,
    store: &dyn Display,
    roots: &[PathBuf],
) -> Result<Location, Error> {
    let found = match &recorded {
        Location::Storage { .. } => return Ok(recorded),
        Location::Local(path) if path.exists() => return Ok(recorded),
        Location::Local(path) => match moved(path, roots) {
            Some(now) => {
                log::debug!("'{}' is now '{}'", path.display(), now.display());
                Some(now)
            }
            // Whoever looks there says that there is nothing.
            None => return Ok(recorded),
        },
        // A server on this store had its artifacts beside it.
        Location::Proxied { proxy: Proxy::Tracking | Proxy::Host(_), path } => {
            roots.iter().map(|root| root.join(path)).find(|path| path.exists())
        }
        Location::Proxied { .. } | Location::Other { .. } => None,
    };
    found.map(Location::Local).ok_or_else(|| {
        Error::usage(
            format!("the files are at '{recorded}', which only a server can read"),
            format!(
                "start one: mlflow server --backend-store-uri '{store}', with the artifact \
                 store's settings; then --tracking-uri http://127.0.0.1:5000"
            ),
        )
    })
}

/// The longest end of the recorded path, from the experiment or above down to
/// the run's or model's own part, that is there below a root.
fn moved(path: &Path, roots: &[PathBuf]) -> Option<PathBuf> {
    let steps: Vec<_> = path.iter().collect();
    let is_id = |step: &&std::ffi::OsStr| {
        step.to_str().is_some_and(|step| is_run_id(step) || is_model_id(step))
    };
    let id = steps.iter().rposition(is_id)?;
    (1..=id).find_map(|first| {
        let end: PathBuf = steps[first..].iter().collect();
        roots.iter().map(|root| root.join(&end)).find(|path| path.exists())
    })
}

/// A directory below a root; a store that is not on this machine lists nothing.
pub(super) fn list(root: &Location, path: &str) -> Result<Vec<FileInfo>, Error> {
    let Location::Local(root) = root else { return Ok(Vec::new()) };
    let directory = root.join(path);
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |error| Error::file("read", &directory, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        files.push(FileInfo {
            path: join(path, &entry.file_name().to_string_lossy()),
            is_dir: metadata.is_dir(),
            file_size: metadata.is_file().then_some(metadata.len()),
        });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_moved_store_is_found_by_its_layout() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("mlruns");
        let now = root.join("1").join(RUN).join("artifacts");
        fs::create_dir_all(now.join("model")).unwrap();
        let roots = [root.clone()];
        let was = |path: &str| moved(Path::new(path), &roots);
        assert_eq!(was(&format!("/gone/mlruns/1/{RUN}/artifacts")), Some(now.clone()));
        assert_eq!(was(&format!("/gone/1/{RUN}/artifacts/model")), Some(now.join("model")));
        assert_eq!(was(&format!("/gone/mlruns/2/{RUN}/artifacts")), None);
        assert_eq!(was("/gone/mlruns/1"), None, "nothing of a run's own");
        let model = root.join("1/models").join(format!("m-{RUN}")).join("artifacts");
        fs::create_dir_all(&model).unwrap();
        assert_eq!(was(&format!("/gone/1/models/m-{RUN}/artifacts")), Some(model));
    }

    #[test]
    fn what_only_a_server_can_read_is_said() {
        let temp = tempfile::tempdir().unwrap();
        let roots = [temp.path().join("mlartifacts")];
        let store = "sqlite:///mlflow.db";
        for uri in ["s3://b/1/x", "mlflow-artifacts:/1/x"] {
            let error = place(uri.parse().unwrap(), &store, &roots).unwrap_err();
            let hint = deployment::Explain::hint(&error).unwrap();
            assert!(hint.contains("--backend-store-uri 'sqlite:///mlflow.db'"), "{hint}");
        }
        fs::create_dir_all(temp.path().join("mlartifacts/1/x")).unwrap();
        let found = place("mlflow-artifacts:/1/x".parse().unwrap(), &store, &roots).unwrap();
        assert_eq!(found, Location::Local(temp.path().join("mlartifacts/1/x")));
    }
}
