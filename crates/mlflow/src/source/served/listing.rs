//! What a server says is in a directory, which is not trusted.

use crate::api::{FileInfo, Listing};
use crate::error::Error;
use crate::location::join;
use crate::source::{Entry, checked};

/// The files of one directory below the model's, as paths relative to the model's.
pub(super) fn below(
    listed: Vec<FileInfo>,
    root: &str,
    below: &str,
) -> Result<Vec<FileInfo>, Error> {
    let here = join(root, below);
    let mut files = Vec::with_capacity(listed.len());
    for mut file in listed {
        // Some stores list the directory itself among its content.
        if file.path == "." || file.path.trim_end_matches('/') == here {
            continue;
        }
        file.path =
            strictly_below(&file.path, &here).map(|name| join(below, name)).ok_or_else(|| {
                let path = file.path.escape_debug();
                Error::broken(format!("listed path '{path}' is not in directory '{here}'"))
            })?;
        files.push(file);
    }
    Ok(files)
}

/// The rest of a path in a directory: one component.
fn strictly_below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let rest = match directory {
        "" => path,
        _ => path.strip_prefix(directory)?.strip_prefix('/')?,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    (!matches!(rest, "" | "." | "..") && !rest.contains('/')).then_some(rest)
}

pub(super) fn entry(file: FileInfo) -> Entry {
    Entry { path: file.path, size: file.file_size, ..Entry::default() }
}

/// One directory's listing as it comes from the network, for the fuzzer.
pub fn read(answer: &[u8], root: &str) -> Option<Vec<Entry>> {
    let listing: Listing = serde_json::from_slice(answer).ok()?;
    let files = below(listing.files, root, "").ok()?;
    checked(files.into_iter().map(entry).collect()).ok()
}
