//! One layer, unpacked over those below it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};

use super::content::Content;
use super::scoped::resolve;
use crate::registry::Layer;

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// Unpacks a layer into a directory that has those below it, and sees that
/// its content is what the image says.
pub(super) fn apply(layer: &Layer, root: &Path) -> io::Result<()> {
    let mut content = Content::open(&layer.path)?;
    let mut applied = Applied {
        root: root.to_owned(),
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(stamp(&layer.diff_id).into()),
        paths: HashSet::new(),
    };
    for entry in Archive::new(&mut content).entries()? {
        applied.entry(entry?)?;
    }
    let digest = content.finish()?;
    if layer.diff_id != digest {
        let message = format!("a layer's content is {digest}, not {}", layer.diff_id);
        return Err(io::Error::other(message));
    }
    Ok(())
}

/// When the layer's files were written: all at a time that stands for the
/// layer. Python tells by time and size whether it has compiled a file, and
/// reproducible images give every file the same time.
fn stamp(diff_id: &str) -> u32 {
    let digest = Sha256::digest(diff_id);
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) >> 1
}

struct Applied {
    root: PathBuf,
    time: SystemTime,
    /// What is of this layer: its whiteouts are about those below
    paths: HashSet<PathBuf>,
}

impl Applied {
    fn entry<R: Read>(&mut self, mut entry: Entry<R>) -> io::Result<()> {
        let named = inside(&entry.path()?)?;
        let Some(name) = named.file_name().map(OsStr::to_owned) else { return Ok(()) };
        let parent = resolve(&self.root, named.parent().unwrap_or(Path::new("")))?;
        fs::create_dir_all(&parent)?;
        if let Some(hidden) = name.to_str().and_then(|name| name.strip_prefix(WHITEOUT)) {
            return self.hide(&parent, &name, hidden);
        }
        let path = parent.join(name);
        let kind = entry.header().entry_type();
        make_room(&path, kind)?;
        let mode = entry.header().mode()? & 0o777;
        match kind {
            EntryType::Directory => {
                fs::create_dir_all(&path)?;
                fs::set_permissions(&path, Permissions::from_mode(mode | 0o700))?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut file = File::create_new(&path)?;
                io::copy(&mut entry, &mut file)?;
                // Neither setuid nor unreadable: it is this user who runs it
                file.set_permissions(Permissions::from_mode(mode | 0o600))?;
                file.set_times(FileTimes::new().set_modified(self.time))?;
            }
            EntryType::Symlink => symlink(link_name(&entry)?, &path)?,
            EntryType::Link => {
                let target = inside(&link_name(&entry)?)?;
                let parent = resolve(&self.root, target.parent().unwrap_or(Path::new("")))?;
                fs::hard_link(parent.join(target.file_name().unwrap_or_default()), &path)?;
            }
            // Devices and pipes: nothing that is served needs them
            _ => return Ok(()),
        }
        self.paths.insert(path);
        Ok(())
    }

    /// Takes away what a whiteout hides.
    fn hide(&self, parent: &Path, name: &OsStr, hidden: &str) -> io::Result<()> {
        if name == OPAQUE {
            return self.clear(parent);
        }
        // Other names of this kind are notes of the file system aufs
        let is_note = hidden.starts_with(WHITEOUT);
        let path = parent.join(hidden);
        if is_note || matches!(hidden, "" | "." | "..") || self.paths.contains(&path) {
            return Ok(());
        }
        make_room(&path, EntryType::Regular)
    }

    /// Takes away what layers below put into a directory.
    fn clear(&self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let is_dir = fs::symlink_metadata(&path)?.is_dir();
            if !self.paths.contains(&path) {
                make_room(&path, EntryType::Regular)?;
            } else if is_dir {
                self.clear(&path)?;
            }
        }
        Ok(())
    }
}

/// Only a directory over a directory leaves what is in it.
fn make_room(path: &Path, kind: EntryType) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(old) if old.is_dir() && kind == EntryType::Directory => Ok(()),
        Ok(old) if old.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// The path without its root; one that climbs is no path of a layer.
fn inside(path: &Path) -> io::Result<PathBuf> {
    let climbs = path.components().any(|component| component == Component::ParentDir);
    if climbs {
        let message = format!("a layer has a path that leads out of it: '{}'", path.display());
        return Err(io::Error::other(message));
    }
    let names = path.components().filter(|component| matches!(component, Component::Normal(_)));
    Ok(names.collect())
}

fn link_name<R: Read>(entry: &Entry<R>) -> io::Result<PathBuf> {
    let name = entry.link_name()?;
    name.map(Into::into).ok_or_else(|| io::Error::other("a layer has a link to nowhere"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::content::hex;
    use super::*;

    type Tar = tar::Builder<Vec<u8>>;

    /// A layer in a file of its own.
    pub(in super::super) fn layer(dir: &Path, fill: impl FnOnce(&mut Tar)) -> Layer {
        let mut tar = tar::Builder::new(Vec::new());
        fill(&mut tar);
        let content = tar.into_inner().unwrap();
        let digest = hex(&Sha256::digest(&content));
        let path = dir.join(&digest);
        fs::write(&path, content).unwrap();
        Layer { path, media_type: String::new(), diff_id: format!("sha256:{digest}") }
    }

    /// An entry with whatever name, as no sound archiver writes it.
    fn entry(tar: &mut Tar, kind: EntryType, name: &str, content: &str) {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o4755);
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        let data = if is_link { "" } else { content };
        if is_link {
            header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(data.len() as u64);
        header.set_cksum();
        tar.append(&header, data.as_bytes()).unwrap();
    }

    pub(in super::super) fn file(tar: &mut Tar, name: &str, content: &str) {
        entry(tar, EntryType::Regular, name, content);
    }

    fn link(tar: &mut Tar, name: &str, target: &str) {
        entry(tar, EntryType::Symlink, name, target);
    }

    /// Applies layers one over the other.
    fn unpacked(fills: &[&dyn Fn(&mut Tar)]) -> (tempfile::TempDir, io::Result<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let applied = fills.iter().try_for_each(|fill| apply(&layer(dir.path(), fill), &root));
        (dir, applied.map(|()| root))
    }

    /// All files below, with what is in them.
    fn files(root: &Path) -> Vec<String> {
        let mut all = Vec::new();
        let mut dirs = vec![root.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().display().to_string();
                let metadata = fs::symlink_metadata(&path).unwrap();
                if metadata.is_dir() {
                    dirs.push(path);
                } else if let Ok(target) = path.read_link() {
                    all.push(format!("{name} -> {}", target.display()));
                } else {
                    all.push(format!("{name}: {}", fs::read_to_string(path).unwrap()));
                }
            }
        }
        all.sort();
        all
    }

    #[test]
    fn whiteouts_hide_what_is_below() {
        let (_dir, root) = unpacked(&[
            &|tar| {
                for name in ["a", "b/c", "b/d", "e/f/g", "h"] {
                    file(tar, name, "lower");
                }
            },
            &|tar| {
                file(tar, ".wh.a", "");
                // Whatever comes first, an opaque directory has this layer's files
                file(tar, "b/new", "upper");
                file(tar, "b/.wh..wh..opq", "");
                file(tar, "e/.wh.f", "");
                file(tar, "h", "upper");
                file(tar, ".wh.h", "");
                file(tar, ".wh..", "");
                file(tar, ".wh..wh.plnk", "");
            },
        ]);
        assert_eq!(files(&root.unwrap()), ["b/new: upper", "h: upper"]);
    }

    #[test]
    fn what_comes_later_takes_the_place() {
        let (_dir, root) = unpacked(&[
            &|tar| {
                file(tar, "dir/file", "lower");
                link(tar, "link", "dir");
                file(tar, "file", "lower");
            },
            &|tar| {
                file(tar, "dir", "a file now");
                entry(tar, EntryType::Directory, "link", "");
                file(tar, "link/below", "upper");
                entry(tar, EntryType::Link, "hard", "/link/below");
                file(tar, "file", "upper");
            },
        ]);
        let root = root.unwrap();
        let expected = ["dir: a file now", "file: upper", "hard: upper", "link/below: upper"];
        assert_eq!(files(&root), expected);
        let mode = fs::metadata(root.join("file")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn nothing_gets_out() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().to_str().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        for fill in [
            &(|tar: &mut Tar| file(tar, "../escaped", "x")) as &dyn Fn(&mut Tar),
            &|tar| file(tar, "a/../../escaped", "x"),
            &|tar| entry(tar, EntryType::Link, "hard", "../root/../../secret"),
            &|tar| entry(tar, EntryType::Link, "hard", &format!("{target}/secret")),
        ] {
            assert!(unpacked(&[fill]).1.is_err());
        }
        let (_dir, root) = unpacked(&[
            &|tar| {
                link(tar, "abs", target);
                link(tar, "up", "../../../..");
                file(tar, "/rooted", "inside");
            },
            &|tar| {
                file(tar, "abs/escaped", "inside");
                file(tar, &format!("up{target}/secret"), "inside");
                file(tar, "abs/.wh..wh..opq", "");
            },
        ]);
        let root = root.unwrap();
        assert_eq!(files(outside.path()), ["secret: secret"]);
        assert!(root.join("rooted").is_file());
        assert!(root.join(&target[1..]).join("escaped").is_file());
    }

    #[test]
    fn files_of_a_layer_have_its_time() {
        let time = |content: &str| {
            let (_dir, root) = unpacked(&[&|tar: &mut Tar| file(tar, "a", content)]);
            fs::metadata(root.unwrap().join("a")).unwrap().modified().unwrap()
        };
        assert_eq!(time("x"), time("x"));
        assert_ne!(time("x"), time("y"));
    }
}
