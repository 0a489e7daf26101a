//! The service's own copy of a model's artifacts.

use super::names::Place;
use super::operation::new_id;
use super::refusal::invalid;
use crate::error::ApiError;
use crate::storage::Store;

/// 10 GB
const MAX_BYTES: u64 = 10 << 30;

/// A directory in Cloud Storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directory {
    pub bucket: String,
    /// Empty, or with a slash at its end
    pub prefix: String,
}

impl Directory {
    pub(super) fn parse(field: &str, uri: &str) -> Result<Self, ApiError> {
        let parts =
            uri.strip_prefix("gs://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
        let Some((bucket, path)) = parts.filter(|(bucket, _)| !bucket.is_empty()) else {
            let text = format!("{field} '{uri}' is not a Cloud Storage URI (gs://bucket/path).");
            return Err(invalid(&text));
        };
        let path = path.trim_end_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }

    pub(super) fn uri(&self) -> String {
        format!("gs://{}/{}", self.bucket, self.prefix.trim_end_matches('/'))
    }
}

/// Looks whether a model can be made of what is in the directory.
pub(super) fn check(store: &Store, uri: &str) -> Result<(), ApiError> {
    let directory = Directory::parse("Model.artifact_uri", uri)?;
    let objects = store.list(&directory.bucket, &directory.prefix).map_err(|_| {
        let text = format!("The bucket of '{uri}' does not exist or cannot be accessed.");
        invalid(&text)
    })?;
    if objects.iter().all(|object| object.name.ends_with('/')) {
        let name = directory.prefix.trim_end_matches('/');
        let text = if !name.is_empty() && store.path(&directory.bucket, name).is_some() {
            format!("Model.artifact_uri '{uri}' is a file; it must be a directory.")
        } else {
            format!("Model.artifact_uri '{uri}' is an empty directory or does not exist.")
        };
        return Err(invalid(&text));
    }
    let bytes: u64 = objects.iter().map(|object| object.size).sum();
    if bytes > MAX_BYTES {
        let text = format!("The artifacts have {bytes} bytes; at most {MAX_BYTES} are allowed.");
        return Err(invalid(&text));
    }
    Ok(())
}

/// Takes the copy. What happens in the user's bucket later is of no
/// consequence.
pub(super) fn copy(store: &Store, place: &Place, uri: &str) -> Result<Directory, ApiError> {
    let from = Directory::parse("Model.artifact_uri", uri)?;
    let bucket = format!("caip-tenant-{}-{}", place.number, place.location);
    match store.create_bucket(&bucket) {
        Err(err) if err.code() != 409 => return Err(err),
        _ => {}
    }
    let to = Directory { bucket, prefix: format!("{}/artifacts/", new_id()) };
    store.copy_all((&from.bucket, &from.prefix), (&to.bucket, &to.prefix))?;
    Ok(to)
}

/// Removes a copy with its model.
pub(super) fn remove(store: &Store, uri: Option<&str>) {
    if let Some(copy) = uri.and_then(|uri| Directory::parse("", uri).ok()) {
        store.remove_all(&copy.bucket, &copy.prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_slash_at_its_end() {
        for uri in ["gs://b/m", "gs://b/m/"] {
            let directory = Directory::parse("f", uri).unwrap();
            assert_eq!((directory.prefix.as_str(), directory.uri()), ("m/", "gs://b/m".into()));
        }
        assert_eq!(Directory::parse("f", "gs://b").unwrap().prefix, "");
        for uri in ["", "b/m", "gs://", "file:///etc", "https://b/m"] {
            assert!(Directory::parse("f", uri).is_err(), "{uri}");
        }
    }
}
