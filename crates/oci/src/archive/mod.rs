//! Archives whose bytes depend on nothing but names and contents.

mod link;
mod pack;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;

pub use pack::{Layer, Packed};

/// Entries by path, so that they come out sorted, parents first.
#[derive(Debug, Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
enum Entry {
    Directory,
    File {
        source: Source,
        executable: bool,
    },
    /// With what it points to.
    Link(String),
}

#[derive(Debug)]
enum Source {
    Path(PathBuf),
    Bytes(Vec<u8>),
}

impl Archive {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn bytes(&mut self, path: &str, content: impl Into<Vec<u8>>) -> Result<(), Error> {
        let source = Source::Bytes(content.into());
        self.insert(path, Entry::File { source, executable: false })
    }

    /// A file of this machine's, read when the archive is packed. Executable
    /// for all where it is for its owner.
    pub fn file(&mut self, path: &str, from: &Path) -> Result<(), Error> {
        let found =
            fs::metadata(from).map_err(|source| Error::Read { path: from.to_owned(), source })?;
        let executable = found.permissions().mode() & 0o100 != 0;
        self.insert(path, Entry::File { source: Source::Path(from.to_owned()), executable })
    }

    pub fn directory(&mut self, path: &str) -> Result<(), Error> {
        self.insert(path, Entry::Directory)
    }

    /// All files below `root` as files below `prefix`, but for those that
    /// `keep` refuses by their path below `root`; of a folder that it refuses,
    /// nothing is taken.
    pub fn tree(
        &mut self,
        prefix: &str,
        root: &Path,
        keep: &dyn Fn(&str) -> bool,
    ) -> Result<(), Error> {
        self.below(prefix, root, "", keep)
    }

    fn below(
        &mut self,
        prefix: &str,
        root: &Path,
        folder: &str,
        keep: &dyn Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let unreadable = |source| Error::Read { path: root.join(folder), source };
        for found in fs::read_dir(root.join(folder)).map_err(unreadable)? {
            let found = found.map_err(unreadable)?;
            let bad =
                |name: std::ffi::OsString| Error::BadName { path: name.display().to_string() };
            let name = found.file_name().into_string().map_err(bad)?;
            let inner = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if !keep(&inner) {
                continue;
            }
            let (path, from) = (format!("{prefix}/{inner}"), found.path());
            let kind = found.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                self.directory(&path)?;
                self.below(prefix, root, &inner, keep)?;
            } else if kind.is_file() {
                self.file(&path, &from)?;
            } else if kind.is_symlink() {
                let target = link::inside(root, &from)?;
                self.insert(&path, Entry::Link(target))?;
            } else {
                return Err(Error::Special { path: from });
            }
        }
        Ok(())
    }

    fn insert(&mut self, path: &str, entry: Entry) -> Result<(), Error> {
        let bad = || Error::BadName { path: path.into() };
        // A layer's `.wh.` files are instructions to remove others.
        let good = |part: &str| !matches!(part, "" | "." | "..") && !part.starts_with(".wh.");
        if !path.split('/').all(good) || path.contains('\0') {
            return Err(bad());
        }
        for (end, _) in path.match_indices('/') {
            let parent = self.entries.entry(path[..end].to_owned()).or_insert(Entry::Directory);
            if !matches!(parent, Entry::Directory) {
                return Err(bad());
            }
        }
        match (self.entries.get(path), &entry) {
            (Some(Entry::Directory), Entry::Directory) => {}
            (Some(Entry::Directory), _) | (Some(_), Entry::Directory) => return Err(bad()),
            _ => drop(self.entries.insert(path.into(), entry)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs::Permissions;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::blobs::Blobs;

    fn listing(gzip: &[u8]) -> String {
        let mut listing = String::new();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(gzip));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            let owner = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
            assert_eq!(owner, (0, 0, 0));
            let link = entry.link_name().unwrap();
            let link = link.map(|to| format!(" -> {}", to.display())).unwrap_or_default();
            let (path, mode) = (entry.path().unwrap(), header.mode().unwrap());
            writeln!(listing, "{mode:o} {}{link} {content}", path.display()).unwrap();
        }
        listing
    }

    fn put(root: &Path, name: &str, content: &str, mode: u32) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn names_and_contents_alone_decide() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("tree");
        put(&root, "b/run", "#!", 0o700);
        put(&root, "b/x.py", "x", 0o600);
        put(&root, "a", "a", 0o664);
        put(&root, "b/__pycache__/x.pyc", "", 0o644);
        symlink("../a", root.join("b/up")).unwrap();
        symlink(root.join("b/x.py"), root.join("b/absolute")).unwrap();
        let pack = || {
            let mut archive = Archive::default();
            archive.bytes("opt/z", "z").unwrap();
            archive.tree("opt/site", &root, &|path| !path.ends_with("__pycache__")).unwrap();
            archive.directory("opt/empty").unwrap();
            let mut bytes = Vec::new();
            let packed = archive.pack(&mut bytes).unwrap();
            assert_eq!(packed.gzip, checksum::Digest::of_bytes(&bytes));
            (packed, bytes)
        };
        let (packed, bytes) = pack();
        assert_eq!(
            listing(&bytes),
            "755 opt/ \n755 opt/empty/ \n755 opt/site/ \n644 opt/site/a a\n755 opt/site/b/ \n\
             777 opt/site/b/absolute -> ../b/x.py \n755 opt/site/b/run #!\n\
             777 opt/site/b/up -> ../a \n644 opt/site/b/x.py x\n644 opt/z z\n"
        );
        assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        put(&root, "b/x.py", "x", 0o644);
        assert_eq!(pack().0, packed, "times and masks do not show");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(packed.tar, checksum::Digest::of_bytes(&unpacked));
    }

    #[test]
    fn nothing_leaves_and_nothing_hides() {
        let mut archive = Archive::default();
        for bad in ["", "/etc", "a//b", "../x", "a/./b", "a/.wh.b", "a\0"] {
            assert!(matches!(archive.bytes(bad, ""), Err(Error::BadName { .. })), "{bad}");
        }
        archive.bytes("file", "").unwrap();
        assert!(archive.bytes("file/below", "").is_err() && archive.directory("file").is_err());

        let scratch = tempfile::tempdir().unwrap();
        for to in ["../x", "/etc/passwd", "a/../../x"] {
            let link = scratch.path().join("link");
            symlink(to, &link).unwrap();
            let found = archive.tree("x", scratch.path(), &|_| true);
            assert!(matches!(found, Err(Error::LinkLeaves { .. })), "{to}");
            fs::remove_file(link).unwrap();
        }
    }

    #[test]
    fn long_names_survive() {
        let name = format!("{}/é{}", "d".repeat(120), "f".repeat(200));
        let mut archive = Archive::default();
        archive.bytes(&name, "x").unwrap();
        let mut bytes = Vec::new();
        archive.pack(&mut bytes).unwrap();
        assert!(listing(&bytes).ends_with(&format!("{name} x\n")));
    }

    #[test]
    fn a_layer_is_a_blob() {
        let scratch = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(scratch.path());
        let mut archive = Archive::default();
        archive.bytes("opt/x", "x").unwrap();
        let layer = archive.layer(&blobs).unwrap();
        assert_eq!(archive.layer(&blobs).unwrap(), layer);
        blobs.verify(&layer.descriptor).unwrap();
        // The tar's digest; the gzip's own depends on the compressor as well.
        assert_eq!(
            layer.diff_id.to_string(),
            "sha256:b8fdeef428113f34c444f9b3047a47b793f38d98ad77878211c854396475a6ba"
        );
    }
}
