//! The service's own copy of a version's files.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::refusal::{invalid, precondition};
use crate::error::ApiError;
use crate::storage::{ObjectMeta, Store};

const MAX_FILES: usize = 1000;

/// The limit for the machines that run custom code.
const MAX_BYTES: u64 = 500 << 20;

/// An object, and where it goes below the version's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    bucket: String,
    object: String,
    pub to: PathBuf,
}

/// The files below a `deploymentUri`.
pub(super) fn model(store: &Store, uri: &str) -> Result<Vec<Item>, ApiError> {
    const FIELD: &str = "version.deployment_uri";
    if uri.is_empty() {
        return Err(invalid(FIELD, "This field is required."));
    }
    let (bucket, path) = split(FIELD, uri)?;
    let prefix = match path.trim_end_matches('/') {
        "" => String::new(),
        path => format!("{path}/"),
    };
    let objects = store.list(bucket, &prefix).map_err(|_| no_bucket(FIELD, bucket))?;
    // Consoles and gsutil leave empty objects that stand for directories.
    let files: Vec<&ObjectMeta> = objects.iter().filter(|o| !o.name.ends_with('/')).collect();
    if files.is_empty() {
        let text = "The provided URI for model files doesn't contain any objects.";
        return Err(precondition(FIELD, text));
    }
    if files.len() > MAX_FILES {
        let text = format!(
            "The directory contains {} files; at most {MAX_FILES} are allowed.",
            files.len()
        );
        return Err(precondition(FIELD, &text));
    }
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    if bytes > MAX_BYTES {
        let text = format!(
            "The model is {bytes} bytes; at most {MAX_BYTES} (500 MB) are allowed on this machine type."
        );
        return Err(precondition(FIELD, &text));
    }
    let items = files.into_iter().map(|file| {
        let to = relative(&file.name[prefix.len()..])
            .ok_or_else(|| precondition(FIELD, &format!("'{}' is not a file name.", file.name)))?;
        let (bucket, object) = (bucket.to_owned(), file.name.clone());
        Ok(Item { bucket, object, to: Path::new("model").join(to) })
    });
    items.collect()
}

/// The packages of `packageUris`, each in a directory of its own: two may have
/// the same file name.
pub(super) fn packages<'a>(
    store: &Store,
    uris: impl Iterator<Item = &'a str>,
) -> Result<Vec<Item>, ApiError> {
    const FIELD: &str = "version.package_uris";
    uris.enumerate()
        .map(|(number, uri)| {
            let (bucket, object) = split(FIELD, uri)?;
            let name = object.rsplit('/').next().and_then(relative);
            let exists = || store.path(bucket, object).is_some();
            let Some(name) = name.filter(|_| exists()) else {
                return Err(precondition(FIELD, &format!("The package {uri} was not found.")));
            };
            let to = Path::new("packages").join(number.to_string()).join(name);
            Ok(Item { bucket: bucket.to_owned(), object: object.to_owned(), to })
        })
        .collect()
}

/// Takes the copies. What happens in the bucket later is of no consequence.
pub(super) fn copy(store: &Store, items: &[Item], dir: &Path) -> io::Result<()> {
    for item in items {
        let to = dir.join(&item.to);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let from = store.path(&item.bucket, &item.object).ok_or(io::ErrorKind::NotFound)?;
        std::fs::copy(from, to)?;
    }
    Ok(())
}

fn split<'a>(field: &str, uri: &'a str) -> Result<(&'a str, &'a str), ApiError> {
    let parts = uri.strip_prefix("gs://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    parts.filter(|(bucket, _)| !bucket.is_empty()).ok_or_else(|| {
        invalid(field, &format!("'{uri}' is not a Cloud Storage URI (gs://bucket/path)."))
    })
}

/// Object names may be anything; a path must stay where it belongs.
fn relative(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let stays = path.components().all(|part| matches!(part, Component::Normal(_)));
    (stays && !name.is_empty() && !name.contains('\0')).then(|| path.to_owned())
}

fn no_bucket(field: &str, bucket: &str) -> ApiError {
    precondition(field, &format!("The bucket '{bucket}' does not exist or cannot be accessed."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside() {
        for name in ["../x", "a/../../x", "/etc/passwd", "", "a/..", "a\0"] {
            assert_eq!(relative(name), None, "{name:?}");
        }
        assert_eq!(relative("a//b/./c.bin"), Some(PathBuf::from("a//b/./c.bin")));
    }

    #[test]
    fn only_cloud_storage_is_read() {
        for uri in ["", "b/m", "file:///etc", "gs://", "gs:///m", "https://b/m"] {
            assert!(split("f", uri).is_err(), "{uri}");
        }
        assert_eq!(split("f", "gs://b").unwrap(), ("b", ""));
        assert_eq!(split("f", "gs://b/x/y/").unwrap(), ("b", "x/y/"));
    }
}
