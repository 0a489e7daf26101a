//! The source of a build: an archive in Cloud Storage.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use tar::Archive;

use crate::storage::Store;

/// The file that holds the source: of the generation that is named, or the
/// latest.
pub(super) fn find(storage: &Store, source: &Value) -> Result<PathBuf, String> {
    let text = |field: &str| source[field].as_str().unwrap_or_default();
    let (bucket, object) = (text("bucket"), text("object"));
    let missing = || format!("gs://{bucket}/{object} does not exist");
    let found = storage.list(bucket, object).map_err(|err| err.to_string())?;
    let found = found.into_iter().find(|found| found.name == object).ok_or_else(missing)?;
    let generation = found.generation.to_string();
    let wanted = text("generation");
    if !["", "0", &generation].contains(&wanted) {
        return Err(format!("gs://{bucket}/{object}#{wanted} does not exist"));
    }
    if !Path::new(object).extension().is_some_and(|end| end == "gz" || end == "tgz") {
        return Err(format!("gs://{bucket}/{object} is no tar.gz, which alone is read here"));
    }
    storage.path(bucket, object).ok_or_else(missing)
}

pub(super) fn unpack(archive: &Path, into: &Path) -> io::Result<()> {
    fs::create_dir_all(into)?;
    let mut archive = Archive::new(MultiGzDecoder::new(File::open(archive)?));
    archive.set_preserve_permissions(true);
    archive.unpack(into)
}

/// Copies as COPY does: a directory's content, a file under its name into a
/// directory (`DIR/`), else to that name. Nothing is followed out of the
/// context: there may be links in an archive.
pub(super) fn copy(
    context: &Path,
    sources: &[String],
    tree: &Path,
    into: &str,
) -> Result<(), String> {
    let is_dir = into.ends_with('/');
    if sources.len() > 1 && !is_dir {
        return Err(format!("several files need a directory to go to, as in '{into}/'"));
    }
    let target = inside(tree, into)?;
    for source in sources {
        let path = inside(context, source)?;
        let found = fs::symlink_metadata(&path).map_err(|_| format!("there is no '{source}'"))?;
        let name = path.file_name().filter(|_| is_dir && !found.is_dir());
        let to = name.map_or_else(|| target.clone(), |name| target.join(name));
        copy_tree(&path, &to).map_err(|err| format!("cannot copy '{source}': {err}"))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    if found.is_symlink() {
        return Err(io::Error::other("it is, or has in it, a symbolic link"));
    }
    if !found.is_dir() {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A path below a directory, which neither `..` nor a link on the way leaves.
pub(super) fn inside(root: &Path, path: &str) -> Result<PathBuf, String> {
    let mut found = root.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => found.push(name),
            Component::RootDir | Component::CurDir => continue,
            Component::ParentDir | Component::Prefix(_) => {
                return Err(format!("'{path}' leads elsewhere"));
            }
        }
        if found.is_symlink() {
            return Err(format!("'{path}' goes through a symbolic link"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_directories_and_what_is_no_part_of_the_context() {
        let dir = tempfile::tempdir().unwrap();
        let (context, tree) = (dir.path().join("context"), dir.path().join("tree"));
        fs::create_dir_all(context.join("model/data")).unwrap();
        fs::write(context.join("lock"), "lock").unwrap();
        fs::write(context.join("model/data/a"), "a").unwrap();
        std::os::unix::fs::symlink("/etc", context.join("model/etc")).unwrap();
        let copy = |source: &str, into: &str| copy(&context, &[source.to_owned()], &tree, into);
        copy("lock", "/opt/").unwrap();
        copy("lock", "/opt/other").unwrap();
        copy("model/data", "/opt/model").unwrap();
        for file in ["opt/lock", "opt/other", "opt/model/a"] {
            assert!(tree.join(file).is_file(), "{file}");
        }
        for (source, into) in [
            ("none", "/a"),
            ("../x", "/a"),
            ("lock", "/../a"),
            ("model", "/m"),
            ("model/etc/x", "/a"),
        ] {
            assert!(copy(source, into).is_err(), "{source} {into}");
        }
    }
}
