//! The bundle's directory: there as a whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::model::Model;
use crate::names::PACKAGE;
use crate::scratch::Scratch;
use crate::vertex;

/// The file that tells a bundle from another directory.
pub(crate) const MANIFEST: &str = "bundle.json";

/// Where the packages lie in it.
const DIST: &str = "dist";

/// Where the model's files lie in it.
pub(crate) const MODEL: &str = "model";

/// All that can stand in it.
const NAMES: [&str; 8] = [
    MANIFEST,
    DIST,
    MODEL,
    vertex::LOCK,
    vertex::DOCKERFILE,
    vertex::CLOUD_BUILD,
    vertex::LAYOUT,
    vertex::EXPECTED,
];

/// Refuses to replace anything but an older bundle or nothing.
pub(crate) fn check(target: &Path) -> Result<(), Error> {
    let is_free = match fs::read_dir(target) {
        Ok(entries) => {
            let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
            names.is_ok_and(|names| names.is_empty() || is_bundle(target, &names))
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound && !target.is_symlink(),
    };
    if is_free { Ok(()) } else { Err(Error::NotABundle(target.into())) }
}

/// Whether all that lies there was put there by us: it is about to be removed.
fn is_bundle(target: &Path, names: &[OsString]) -> bool {
    #[derive(Deserialize)]
    struct Manifest {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let manifest = File::open(target.join(MANIFEST)).ok();
    let manifest: Option<Manifest> =
        manifest.and_then(|file| serde_json::from_reader(io::BufReader::new(file)).ok());
    names.iter().all(|name| NAMES.iter().any(|known| name == known))
        && manifest.is_some_and(|manifest| manifest.package.name == PACKAGE)
}

/// A bundle that is being written; it takes its place as a whole.
#[derive(Debug)]
pub(crate) struct Draft {
    scratch: Scratch,
    target: PathBuf,
}

impl Draft {
    pub(crate) fn new(target: &Path) -> Result<Self, Error> {
        check(target)?;
        let parent = target.parent().unwrap_or(Path::new("/"));
        let scratch = Scratch::new(parent, ".bundle-")
            .map_err(|source| Error::Write { path: target.into(), source })?;
        Ok(Self { scratch, target: target.into() })
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.write_by(path, |mut file| file.write_all(content))
    }

    /// The same for what is not put together in memory first.
    pub(crate) fn write_by(
        &self,
        path: &str,
        content: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), Error> {
        let path = self.path().join(path);
        let write = || {
            make_parents(self.path(), &path)?;
            content(&File::create(&path)?)?;
            fs::set_permissions(&path, Permissions::from_mode(0o644))
        };
        write().map_err(|source| Error::Write { path: path.clone(), source })
    }

    /// What somebody else wrote, for others to read, whatever the umask is.
    pub(crate) fn open(&self, paths: &[String]) -> Result<(), Error> {
        for path in paths {
            let path = self.path().join(path);
            let mode = if path.is_dir() { 0o755 } else { 0o644 };
            fs::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(|source| Error::Write { path: path.clone(), source })?;
        }
        Ok(())
    }

    pub(crate) fn link_model(&self, model: &Model) -> Result<(), Error> {
        link_model(&self.path().join(MODEL), model)
    }

    /// Another name for a file of the model.
    pub(crate) fn link_model_file(&self, path: &str, name: &str) -> Result<(), Error> {
        let model = self.path().join(MODEL);
        // What is behind a symbolic link is the user's own directory.
        if model.is_symlink() {
            return Err(Error::CannotAdd { path: name.into() });
        }
        fs::hard_link(model.join(path), model.join(name))
            .map_err(|source| Error::Write { path: model.join(name), source })
    }

    /// Puts it in the place of an older one.
    pub(crate) fn publish(self) -> Result<(), Error> {
        let new = self.scratch.keep();
        replace(&new, &self.target).map_err(|source| {
            // The next run makes it again; what matters is the first error.
            let _ = fs::remove_dir_all(&new);
            Error::Write { path: self.target, source }
        })
    }
}

/// The directories above `path`, below `root`.
fn make_parents(root: &Path, path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| *parent != root && !parent.exists()) else {
        return Ok(());
    };
    make_parents(root, parent)?;
    fs::create_dir(parent)?;
    fs::set_permissions(parent, Permissions::from_mode(0o755))
}

/// Models are large: their files are never copied. Hard links where the file
/// system has them, else one symbolic link to the directory.
fn link_model(target: &Path, model: &Model) -> Result<(), Error> {
    let failed = |source| Error::Write { path: target.into(), source };
    let linked = link_files(target, model);
    match linked {
        Ok(()) => Ok(()),
        Err(error) if cannot_link(&error) => {
            log::debug!("no hard links to '{}': {error}", model.directory.display());
            fs::remove_dir_all(target).map_err(failed)?;
            let directory = fs::canonicalize(&model.directory).map_err(failed)?;
            symlink(directory, target).map_err(failed)
        }
        Err(source) => Err(failed(source)),
    }
}

fn link_files(target: &Path, model: &Model) -> io::Result<()> {
    fs::create_dir(target)?;
    fs::set_permissions(target, Permissions::from_mode(0o755))?;
    for file in model.files.iter().filter(|file| file.is_here()) {
        let path = target.join(&file.path);
        make_parents(target, &path)?;
        // A link to a symbolic link would point elsewhere from here.
        fs::hard_link(fs::canonicalize(model.directory.join(&file.path))?, &path)?;
    }
    Ok(())
}

/// Another file system, one without hard links, or a file of somebody else's.
fn cannot_link(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(error.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}

/// A directory cannot be renamed over one that is not empty: the older one
/// steps aside first, and comes back if the new one cannot take its place.
fn replace(new: &Path, target: &Path) -> io::Result<()> {
    let aside = PathBuf::from(format!("{}-old", new.display()));
    let had_older = match fs::rename(target, &aside) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if let Err(error) = fs::rename(new, target) {
        if had_older {
            fs::rename(&aside, target)?;
        }
        return Err(error);
    }
    if had_older { fs::remove_dir_all(&aside) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn write(target: &Path, files: &[(&str, &[u8])], model: &Model) -> Result<(), Error> {
        let draft = Draft::new(target)?;
        for (path, content) in files {
            draft.write(path, content)?;
        }
        draft.link_model(model)?;
        draft.publish()
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn written_linked_and_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let model = Model::for_test(&scratch.path().join("m"), &[("MLmodel", "x"), ("a/b/c", "")]);
        let target = scratch.path().join("out/bundle");
        let manifest = br#"{"package":{"name":"deploy_from_script"}}"#;
        write(&target, &[(MANIFEST, manifest), ("dist/old", b"")], &model).unwrap();
        write(&target, &[(MANIFEST, manifest), ("dist/x", b"x")], &model).unwrap();

        assert_eq!(names(&scratch.path().join("out")), ["bundle"], "nothing is left over");
        assert_eq!(names(&target), [MANIFEST, "dist", MODEL]);
        assert_eq!(names(&target.join("dist")), ["x"]);
        let original = fs::metadata(scratch.path().join("m/a/b/c")).unwrap();
        assert_eq!(fs::metadata(target.join("model/a/b/c")).unwrap().ino(), original.ino());
        assert_eq!(target.join("dist/x").metadata().unwrap().mode() & 0o777, 0o644);
        assert_eq!(target.join("dist").metadata().unwrap().mode() & 0o777, 0o755);
    }

    #[test]
    fn what_is_no_bundle_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let model = Model::for_test(&scratch.path().join("m"), &[("MLmodel", "x")]);
        let target = scratch.path().join("precious");
        fs::create_dir(&target).unwrap();
        check(&target).unwrap();
        fs::write(target.join("thesis.tex"), "").unwrap();
        let error = write(&target, &[], &model).unwrap_err();
        assert!(matches!(error, Error::NotABundle(_)) && names(&target) == ["thesis.tex"]);
        assert!(matches!(check(&target.join("thesis.tex")), Err(Error::NotABundle(_))));
    }

    #[test]
    fn a_failure_leaves_nothing_and_the_older_one() {
        let scratch = tempfile::tempdir().unwrap();
        let mut model = Model::for_test(&scratch.path().join("m"), &[("MLmodel", "x")]);
        let target = scratch.path().join("out/bundle");
        write(&target, &[(MANIFEST, b"1")], &model).unwrap();
        model.files.to_mut()[0].path = "gone".into();
        assert!(write(&target, &[(MANIFEST, b"2")], &model).is_err());
        assert_eq!(names(&scratch.path().join("out")), ["bundle"]);
        assert_eq!(fs::read(target.join(MANIFEST)).unwrap(), b"1");
    }
}
