//! A directory on this machine.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Entry, Opened, Resume, Source};
use crate::error::Error;

#[derive(Debug)]
pub struct Local {
    root: PathBuf,
}

impl Local {
    pub fn new(root: &Path) -> Result<Self, Error> {
        // Links below are compared with the real root.
        let real = root.canonicalize().map_err(|error| Error::file("read", root, error))?;
        if !real.is_dir() {
            return Err(Error::usage(
                format!("'{}' is a file, not a model's directory", root.display()),
                "give the directory that holds the file MLmodel",
            ));
        }
        Ok(Self { root: real })
    }

    fn walk(&self, directory: &Path, entries: &mut Vec<Entry>) -> Result<(), Error> {
        let failed = |error| Error::file("read", directory, error);
        for item in fs::read_dir(directory).map_err(failed)? {
            let path = item.map_err(failed)?.path();
            let kind = fs::symlink_metadata(&path).map_err(|e| Error::file("read", &path, e))?;
            if kind.is_dir() {
                self.walk(&path, entries)?;
            } else {
                entries.push(self.entry(&path)?);
            }
        }
        Ok(())
    }

    /// A link counts as the file it leads to if that is a file of the model:
    /// anything else would take along what nobody put into the model.
    fn entry(&self, path: &Path) -> Result<Entry, Error> {
        let failed = |error| Error::file("read", path, error);
        let real = path.canonicalize().map_err(failed)?;
        let metadata = fs::metadata(&real).map_err(failed)?;
        if !real.starts_with(&self.root) || !metadata.is_file() {
            return Err(Error::Broken {
                message: format!("'{}' is not a file of the model", path.display()),
                hint: Some(
                    "links out of the directory, links to directories and devices are not \
                    followed; put a copy in its place"
                        .into(),
                ),
            });
        }
        let relative = path.strip_prefix(&self.root).unwrap_or(path).to_str();
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(Entry {
            path: relative
                .ok_or_else(|| {
                    Error::broken(format!("the name of '{}' is not UTF-8", path.display()))
                })?
                .into(),
            size: Some(metadata.len()),
            crc32c: None,
            revision: modified.map(|at| at.as_nanos().to_string()),
        })
    }
}

impl Source for Local {
    fn list(&self) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        self.walk(&self.root, &mut entries)?;
        Ok(entries)
    }

    fn path(&self, entry: &Entry) -> Option<PathBuf> {
        Some(self.root.join(&entry.path))
    }

    fn open(&self, entry: &Entry, resume: Option<&Resume>) -> Result<Opened, Error> {
        let path = self.root.join(&entry.path);
        let failed = |error| Error::file("read", &path, error);
        let mut file = File::open(&path).map_err(failed)?;
        let offset = resume.map_or(0, |resume| resume.offset);
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(Opened { content: Box::new(file), offset, validator: None })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn lists_what_is_there_and_no_link_that_leads_out() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("model");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("MLmodel"), "x").unwrap();
        fs::write(root.join("a/b/empty"), "").unwrap();
        symlink("MLmodel", root.join("alias")).unwrap();
        let mut entries = Local::new(&root).unwrap().list().unwrap();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let listed: Vec<_> = entries.iter().map(|e| (e.path.as_str(), e.size.unwrap())).collect();
        assert_eq!(listed, [("MLmodel", 1), ("a/b/empty", 0), ("alias", 1)]);

        for target in ["/etc/passwd", "a", "nowhere", "../outside"] {
            fs::write(temp.path().join("outside"), "x").unwrap();
            symlink(target, root.join("link")).unwrap();
            assert!(Local::new(&root).unwrap().list().is_err(), "{target}");
            fs::remove_file(root.join("link")).unwrap();
        }
    }
}
