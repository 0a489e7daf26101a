//! Paths that a document names, which may have been edited: they are not trusted.

use std::path::{Path, PathBuf};

use deployment::names::is_inner_path;
use stage::Failure;

pub(crate) fn below(directory: &str, path: &str) -> Result<PathBuf, Failure> {
    check(path)?;
    Ok(Path::new(directory).join(path))
}

/// Paths are compared as they are spelt: what a file system takes for one path are
/// several names of objects.
pub(crate) fn check(path: &str) -> Result<(), Failure> {
    if is_inner_path(path) {
        return Ok(());
    }
    let message = format!("the path '{}' leaves its directory", path.escape_debug());
    Err(Failure::input(message)
        .hint("paths in a document are relative, without '.', '..' and empty parts"))
}
