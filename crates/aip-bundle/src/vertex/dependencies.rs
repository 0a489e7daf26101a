//! The layer of what the model requires, made once for equal locks.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use checksum::Digest;
use oci::{Archive, Layer};
use stage::{Failure, Process};

use super::cache::Cache;
use super::error::Error;
use super::lock::{LOCK, PLATFORM, essence, text_of};
use super::uv::Uv;

/// Where it lies in the image.
const SITE: &str = "opt/mlflow-aip/site";

/// Changes when the same lock is to give another layer.
const RECIPE: &str = "dependencies 1";

/// What an installer notes of itself and of where it found the wheel.
const NOTES: [&str; 4] = ["REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"];

/// Requirements, by all that decides what is installed.
#[derive(Debug)]
pub(super) struct Dependencies<'a> {
    pub(super) lock: &'a str,
    pub(super) python_version: &'a str,
}

impl Dependencies<'_> {
    pub(super) fn key(&self) -> String {
        // Another version of this tool may pack the same files into other bytes.
        let all = format!(
            "{RECIPE} {}\n{PLATFORM} {}\n{}",
            env!("CARGO_PKG_VERSION"),
            self.python_version,
            essence(self.lock)
        );
        Digest::of_bytes(all.as_bytes()).sha256
    }

    /// The layer among the cache's blobs.
    pub(super) fn layer(&self, process: &Process, cache: &Cache) -> Result<Layer, Failure> {
        let key = self.key();
        let _made_once = cache.exclusive(&key)?;
        let known = cache.note::<Layer>("layers", &key);
        if let Some(layer) = known.filter(|layer| cache.blobs.has(&layer.descriptor)) {
            log::debug!("the dependencies are there already: {}", layer.descriptor.digest);
            return Ok(layer);
        }
        let site = self.installed(process, cache, &key)?;
        let progress = process.waiting("packing the dependencies");
        let layer = pack(&site)?.layer(&cache.blobs)?;
        drop(progress);
        cache.remember("layers", &key, &layer)?;
        Ok(layer)
    }

    /// The directory that they are installed in, on this machine.
    pub(super) fn site(&self, process: &Process, cache: &Cache) -> Result<PathBuf, Failure> {
        let key = self.key();
        let _made_once = cache.exclusive(&key)?;
        Ok(self.installed(process, cache, &key)?)
    }

    fn installed(&self, process: &Process, cache: &Cache, key: &str) -> Result<PathBuf, Error> {
        let site = cache.site_path(key);
        if site.is_dir() {
            return Ok(site);
        }
        let uv = Uv::find()?;
        let progress = process.waiting("installing the dependencies");
        let scratch = cache.scratch()?;
        let write = |path: PathBuf, source| Error::Write { path, source };
        let lock = scratch.path().join(LOCK);
        fs::write(&lock, self.lock).map_err(|source| write(lock, source))?;
        let mut args: Vec<OsString> =
            ["pip", "install", "--system", "--target", "site", "-r", LOCK].map(Into::into).into();
        args.extend(["--no-deps", "--require-hashes", "--only-binary", ":all:"].map(Into::into));
        args.extend(["--python-platform", PLATFORM].map(Into::into));
        args.extend(["--python-version", self.python_version].map(Into::into));
        args.extend(["--no-compile-bytecode", "--quiet"].map(Into::into));
        uv.run(scratch.path(), args)?;
        drop(progress);
        let sites = site.parent().unwrap_or(&site).to_owned();
        fs::create_dir_all(&sites).map_err(|source| write(sites, source))?;
        match fs::rename(scratch.path().join("site"), &site) {
            Err(source) if !site.is_dir() => Err(write(site, source)),
            // Somebody else was faster, on a file system without locks.
            _ => Ok(site),
        }
    }
}

/// Without what depends on this machine: scripts begin with its Python's path.
fn is_packed(path: &str) -> bool {
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_note = first.ends_with(".dist-info") && NOTES.contains(&name);
    first != "bin"
        && path != ".lock"
        && !path.split('/').any(|part| part == "__pycache__")
        && !is_note
}

fn pack(site: &Path) -> Result<Archive, Failure> {
    let mut archive = Archive::default();
    archive.tree(SITE, site, &is_packed)?;
    let read = |path: PathBuf, source| Failure::from(Error::Read { path, source });
    for entry in fs::read_dir(site).map_err(|source| read(site.into(), source))? {
        let name = entry.map_err(|source| read(site.into(), source))?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".dist-info")) else {
            continue;
        };
        let record = site.join(name).join("RECORD");
        let text = match fs::read_to_string(&record) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(read(record, source)),
        };
        archive.bytes(&format!("{SITE}/{name}/RECORD"), packed_record(&text))?;
    }
    Ok(archive)
}

/// What a distribution installed: the lines of the files that are packed.
fn packed_record(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().filter(|line| is_packed(recorded_path(line))).collect();
    lines.sort_unstable();
    lines.dedup();
    text_of(lines)
}

/// A line's first field. Scripts are said to lie above the packages.
fn recorded_path(line: &str) -> &str {
    let path = match line.strip_prefix('"') {
        Some(rest) => rest.split('"').next(),
        None => line.split(',').next(),
    };
    path.unwrap_or_default().trim_start_matches("../")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_decides_the_layer() {
        let key = |lock, python_version| Dependencies { lock, python_version }.key();
        assert_eq!(key("# a\na==1 --hash=x\n", "3.11"), key("a==1 --hash=x", "3.11"));
        assert_ne!(key("a==1", "3.11"), key("a==1", "3.12"));
        assert_ne!(key("a==1", "3.11"), key("a==2", "3.11"));
    }

    #[test]
    fn records_name_what_is_packed() {
        let record = "x/__init__.py,sha256=a,1\n../../bin/x,sha256=b,2\nbin/y,,\n\
                      x-1.dist-info/direct_url.json,,\nx/__pycache__/a.pyc,,\n\
                      \"x/a, b.py\",sha256=c,3\nx-1.dist-info/RECORD,,\n";
        assert_eq!(
            packed_record(record),
            "\"x/a, b.py\",sha256=c,3\nx-1.dist-info/RECORD,,\nx/__init__.py,sha256=a,1\n"
        );
        assert!(is_packed("x/bin/tool") && is_packed("x/REQUESTED") && !is_packed(".lock"));
    }

    /// A tree as installers of two machines leave it.
    fn tree(root: &Path, shebang: &str, mode: u32) {
        let files = [
            ("x/__init__.py", "import y"),
            ("x/lib.so", "\u{7f}ELF"),
            ("x/__pycache__/m.pyc", shebang),
            ("bin/x", shebang),
            ("x-1.dist-info/RECORD", &format!("x/__init__.py,,\nbin/x,sha256={shebang},9\n")),
            ("x-1.dist-info/direct_url.json", shebang),
        ];
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(root.join("x/lib.so"), fs::Permissions::from_mode(mode | 0o100))
            .unwrap();
    }

    #[test]
    fn the_same_layer_on_any_machine() {
        let scratch = tempfile::tempdir().unwrap();
        let mut packed = Vec::new();
        for (name, shebang, mode) in [("a", "#!/usr/bin/python3", 0o644), ("b", "#!/x", 0o600)] {
            let root = scratch.path().join(name);
            tree(&root, shebang, mode);
            packed.push(pack(&root).unwrap().pack(Vec::new()).unwrap());
        }
        assert_eq!(packed[0], packed[1]);
    }
}
