//! What one instruction did to a tree, as a layer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

/// A tree at one time: of each file, what changes when it does.
#[derive(Debug, Default)]
pub(super) struct Snapshot(BTreeMap<PathBuf, State>);

#[derive(Debug, PartialEq, Eq)]
struct State {
    is_dir: bool,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Snapshot {
    pub(super) fn take(root: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut dirs = vec![root.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir)? {
                let path = entry?.path();
                let found = fs::symlink_metadata(&path)?;
                let state = State {
                    is_dir: found.is_dir(),
                    inode: found.ino(),
                    size: if found.is_dir() { 0 } else { found.len() },
                    modified: if found.is_dir() {
                        (0, 0)
                    } else {
                        (found.mtime(), found.mtime_nsec())
                    },
                };
                if let Ok(name) = path.strip_prefix(root) {
                    files.insert(name.to_owned(), state);
                }
                if found.is_dir() {
                    dirs.push(path);
                }
            }
        }
        Ok(Self(files))
    }

    /// Writes what is new or other than before, and whiteouts for what is
    /// gone. A directory that is new comes before what is in it.
    pub(super) fn write_changes(
        &self,
        before: &Self,
        root: &Path,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        for (name, _) in self.0.iter().filter(|(name, state)| before.0.get(*name) != Some(state)) {
            append(&mut tar, &root.join(name), name)?;
        }
        for name in before.0.keys().filter(|name| !self.0.contains_key(*name)) {
            // What goes with its directory is hidden with it
            let is_first = name
                .parent()
                .is_none_or(|dir| dir.as_os_str().is_empty() || self.0.contains_key(dir));
            if let (Some(file), true) = (name.file_name().and_then(|file| file.to_str()), is_first)
            {
                let hidden = name.with_file_name(format!(".wh.{file}"));
                tar.append_data(&mut header(EntryType::Regular, 0o644, 0), hidden, io::empty())?;
            }
        }
        tar.finish()
    }

    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

fn append(tar: &mut tar::Builder<&mut dyn Write>, path: &Path, name: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() {
        return tar.append_data(&mut header(EntryType::Directory, 0o755, 0), name, io::empty());
    }
    if found.is_symlink() {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        return tar.append_link(&mut header, name, fs::read_link(path)?);
    }
    let mode = if found.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
    tar.append_data(&mut header(EntryType::Regular, mode, found.len()), name, File::open(path)?)
}

/// The same for equal content, whoever builds when.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_changed_and_gone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["keep/a", "change", "gone/b", "gone/c"] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "before").unwrap();
        }
        let before = Snapshot::take(root).unwrap();
        assert!(Snapshot::take(root).unwrap().is_as(&before));
        fs::write(root.join("change"), "afterwards").unwrap();
        fs::create_dir(root.join("new")).unwrap();
        fs::write(root.join("new/d"), "new").unwrap();
        fs::remove_dir_all(root.join("gone")).unwrap();
        let after = Snapshot::take(root).unwrap();
        let mut layer = Vec::new();
        after.write_changes(&before, root, &mut layer).unwrap();
        let mut names = Vec::new();
        for entry in tar::Archive::new(layer.as_slice()).entries().unwrap() {
            names.push(entry.unwrap().path().unwrap().display().to_string());
        }
        assert_eq!(names, ["change", "new", "new/d", ".wh.gone"]);
    }
}
