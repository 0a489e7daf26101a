//! Where a model's files go unless told otherwise.

use std::path::PathBuf;

use checksum::Digest;
use deployment::Spec;
use mlflow::{Cache, Identity, Location, Resolved};
use stage::{Failure, settings};

use crate::Args;
use crate::origin::Origin;

pub(crate) fn directory(
    args: &Args,
    spec: &mut Spec,
    resolved: &Resolved,
    origin: &Origin,
) -> Result<PathBuf, Failure> {
    if let Some(output) = &args.output {
        return Ok(output.clone());
    }
    let work_dir = settings::work_dir(args.work_dir.clone(), &mut spec.work_dir)?;
    let server = spec.tracking_uri.clone().unwrap_or_default();
    let name = name(&resolved.label, &format!("{server} {} {}", resolved.uri, resolved.location));
    // A part does not take the place of the whole.
    let name = if origin.is_part { format!("{name}-metadata") } else { name };
    Ok(work_dir.join("models").join(name))
}

/// Cloud Storage is one place, whoever asks; all else is some server's.
pub(crate) fn identity(spec: &Spec, resolved: &Resolved, mlmodel: &[u8]) -> Identity {
    let location = &resolved.location;
    let server =
        spec.tracking_uri.as_deref().filter(|_| !matches!(location, Location::Storage { .. }));
    // What is kept of one that is not finished is not of the finished one.
    let state = if resolved.served.unfinished { " (unfinished)" } else { "" };
    Identity::new(format!("{} {location}{state}", server.unwrap_or_default()), mlmodel)
}

/// The cache, unless it is not wanted, there is no place for one, the files are
/// on this machine anyway, or hardly any of them comes.
pub(crate) fn cache(args: &Args, origin: &Origin) -> Option<Cache> {
    let wanted = !args.no_cache && !origin.is_here && !origin.is_part;
    wanted.then(cache_directory).flatten().map(Cache::new)
}

pub(crate) fn cache_directory() -> Option<PathBuf> {
    settings::cache_directory().map(|cache| cache.join("content"))
}

/// Readable, and another one for each model of each server.
fn name(label: &str, identity: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let label: String =
        label.chars().map(|char| if plain(char) { char } else { '_' }).take(64).collect();
    let label = label.trim_start_matches('.');
    // Reading from memory cannot fail.
    let digest = Digest::of(identity.as_bytes()).map(|digest| digest.sha256).unwrap_or_default();
    format!("{label}-{}", &digest[..8.min(digest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_stable() {
        assert_eq!(name("iris-3", "a"), "iris-3-ca978112");
        assert_eq!(name("../my model/é", "a"), "_my_model__-ca978112");
        assert_ne!(name("iris-3", "a"), name("iris-3", "b"));
    }
}
