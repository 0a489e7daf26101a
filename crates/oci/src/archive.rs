//! Archives whose bytes depend on nothing but names and contents.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};

use crate::blobs::Blobs;
use crate::error::Error;
use crate::{Descriptor, Digest, media};

/// A twentieth larger than what level 9 gives, in a third of the time.
const LEVEL: u32 = 4;

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

/// What an archive hashes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// The gzip file.
    pub gzip: checksum::Digest,
    /// The tar file in it.
    pub tar: checksum::Digest,
}

/// A layer among the blobs. As JSON, what a cache remembers of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    pub descriptor: Descriptor,
    /// The digest of the layer unpacked.
    pub diff_id: Digest,
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
                let target = inside(root, &from)?;
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

    /// Writes the archive, hashing both what goes into the compressor and what
    /// comes out of it.
    pub fn pack(&self, to: impl Write) -> Result<Packed, Error> {
        let cannot_write = |source| Error::Write { path: "archive".into(), source };
        let gzip = GzBuilder::new().mtime(0).operating_system(255);
        let gzip = gzip.write(Hashing::new(to), Compression::new(LEVEL));
        let mut builder = Builder::new(Hashing::new(gzip));
        for (path, entry) in &self.entries {
            append(&mut builder, path, entry)?;
        }
        let outer = builder.into_inner().map_err(cannot_write)?;
        let (gzip, tar) = outer.finish();
        let (mut to, gzip) = gzip.finish().map_err(cannot_write)?.finish();
        to.flush().map_err(cannot_write)?;
        Ok(Packed { gzip, tar })
    }

    /// Packs it as a layer among `blobs`.
    pub fn layer(&self, blobs: &Blobs) -> Result<Layer, Error> {
        let mut blob = blobs.create()?;
        let Packed { gzip, tar } = self.pack(&mut blob)?;
        let size = gzip.size;
        let descriptor = Descriptor::new(media::LAYER, gzip.into(), size);
        if blobs.has(&descriptor) {
            log::debug!("layer {} is there already", descriptor.digest);
        } else {
            blob.keep(&descriptor.digest)?;
        }
        Ok(Layer { descriptor, diff_id: tar.into() })
    }
}

fn append<W: Write>(builder: &mut Builder<W>, path: &str, entry: &Entry) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.into(), source };
    let mut header = Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match entry {
        Entry::Directory => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            builder.append_data(&mut header, format!("{path}/"), io::empty()).map_err(failed)
        }
        Entry::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            builder.append_link(&mut header, path, target).map_err(failed)
        }
        Entry::File { source, executable } => {
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            match source {
                Source::Bytes(content) => {
                    header.set_size(content.len() as u64);
                    builder.append_data(&mut header, path, content.as_slice()).map_err(failed)
                }
                Source::Path(from) => append_file(builder, &mut header, path, from),
            }
        }
    }
}

/// A file that changes while it is read would shift everything behind it.
fn append_file<W: Write>(
    builder: &mut Builder<W>,
    header: &mut Header,
    path: &str,
    from: &Path,
) -> Result<(), Error> {
    let unreadable = |source| Error::Read { path: from.to_owned(), source };
    let file = File::open(from).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    header.set_size(size);
    let mut counted = Counted { inner: file.take(size), count: 0 };
    builder.append_data(header, path, &mut counted).map_err(unreadable)?;
    if counted.count == size {
        return Ok(());
    }
    let subject = from.display().to_string();
    Err(Error::Size { subject, expected: size, found: counted.count })
}

/// What the link points to, as a path relative to it, where that lies below `root`.
fn inside(root: &Path, link: &Path) -> Result<String, Error> {
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

struct Hashing<W> {
    inner: W,
    hasher: checksum::Hasher,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: checksum::Hasher::default() }
    }

    fn finish(self) -> (W, checksum::Digest) {
        (self.inner, self.hasher.finish())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    use super::*;

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
