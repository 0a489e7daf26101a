//! Symbolic links, which must not lead out of what is packed.

use std::fs;
use std::path::{Component, Path};

use crate::error::Error;

/// What the link points to, as a path relative to it, where that lies below `root`.
pub(super) fn inside(root: &Path, link: &Path) -> Result<String, Error> {
    let to = fs::read_link(link).map_err(|source| Error::Read { path: link.to_owned(), source })?;
    let leaves = || Error::LinkLeaves { path: link.to_owned(), to: to.clone() };
    let folder = link.parent().and_then(|parent| parent.strip_prefix(root).ok());
    let folder = folder.ok_or_else(leaves)?;
    let depth = folder.components().count();
    let target = if to.is_absolute() {
        let below = to.strip_prefix(root).map_err(|_| leaves())?;
        (0..depth).map(|_| Component::ParentDir).chain(below.components()).collect()
    } else {
        to.clone()
    };
    let mut level = depth;
    for part in target.components() {
        level = match part {
            Component::ParentDir => level.checked_sub(1).ok_or_else(leaves)?,
            Component::Normal(_) => level + 1,
            Component::CurDir => level,
            Component::RootDir | Component::Prefix(_) => return Err(leaves()),
        };
    }
    target.to_str().map(str::to_owned).ok_or_else(leaves)
}
