//! Where files come from: what a download needs of it.

pub mod ahead;
mod local;
mod served;

use std::io::Read;
use std::path::PathBuf;

use deployment::names::is_inner_path;
use transport::{Digest, Policy};

use crate::error::Error;

pub use local::Local;
pub use served::Served;
#[doc(hidden)]
pub use served::answer::begins as range_begins;
#[doc(hidden)]
pub use served::listing::read as read_listing;

/// A store that can list a model's files and read them.
pub trait Source: Sync {
    /// All files, by paths relative to the model's directory. What is listed
    /// is not trusted: see [`checked`].
    fn list(&self) -> Result<Vec<Entry>, Error>;

    /// A file's content, where possible from where an earlier attempt ended.
    fn open(&self, entry: &Entry, resume: Option<&Resume>) -> Result<Opened, Error>;

    /// The file itself, where it is on this machine.
    fn path(&self, entry: &Entry) -> Option<PathBuf> {
        let _ = entry;
        None
    }

    /// Whether a listed file's content is still what the store once called
    /// `validator`. A store that cannot tell says no; where listings have
    /// revisions, these have been compared.
    fn is_still(&self, entry: &Entry, validator: Option<&str>) -> bool {
        let _ = validator;
        entry.revision.is_some()
    }

    /// Whether it can be had from here, as far as its name tells.
    fn check(&self, _entry: &Entry) -> Result<(), Error> {
        Ok(())
    }

    /// How patiently a transfer that breaks off is taken up again.
    fn retries(&self) -> Policy {
        Policy::from_env()
    }
}

/// A file as it is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub size: Option<u64>,
    /// As `transport::Digest` spells it, where the store knows it.
    pub crc32c: Option<String>,
    /// Changes whenever the content does, where the store has such a thing.
    pub revision: Option<String>,
}

impl Entry {
    /// Whether what came is what is listed, as far as the store knows.
    pub fn check(&self, came: &Digest) -> Result<(), Error> {
        match &self.crc32c {
            Some(listed) if *listed != came.crc32c => Err(Error::broken(format!(
                "'{}' came with crc32c {}, and {listed} is listed",
                self.path, came.crc32c
            ))),
            _ => Ok(()),
        }
    }
}

/// Where an attempt ended, and what the store called the content then.
#[derive(Clone, Debug)]
pub struct Resume {
    pub offset: u64,
    pub validator: String,
}

pub struct Opened {
    pub content: Box<dyn Read + Send>,
    /// Where the content begins: where it was asked to, or 0.
    pub offset: u64,
    pub validator: Option<String>,
}

/// The files in order, none of which leaves the directory that they go to.
pub fn checked(mut entries: Vec<Entry>) -> Result<Vec<Entry>, Error> {
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut before = None;
    for entry in &entries {
        let path = entry.path.as_str();
        let why = if path.contains('\0') {
            "holds a NUL"
        } else if !is_inner_path(path) {
            "leads out of the model's directory"
        } else if before.replace(path) == Some(path) {
            "is there twice"
        } else {
            continue;
        };
        return Err(Error::Broken {
            message: format!("listed path '{}' {why}", path.escape_debug()),
            hint: Some("nothing was downloaded; do not trust this store".into()),
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(paths: &[&str]) -> Result<Vec<Entry>, Error> {
        let entry = |path: &&str| Entry { path: (*path).into(), ..Entry::default() };
        checked(paths.iter().map(entry).collect())
    }

    #[test]
    fn odd_names_may_come_in() {
        let odd = ["..dots", "a b", "a/b/c", "trail.", "tab\t", "日本", "x\\y", ".hidden", "..."];
        assert_eq!(check(&odd).unwrap().len(), odd.len());
    }

    #[test]
    fn nothing_may_lead_out() {
        for path in [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/..",
            "..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a/./b",
        ] {
            assert!(check(&["MLmodel", path]).is_err(), "{path:?}");
        }
        assert!(check(&["a", "b", "a"]).is_err());
    }

    proptest::proptest! {
        /// Whatever is listed: what is let in lies below the directory, by the
        /// rules of the system that will make it.
        #[test]
        fn what_is_let_in_stays_in(paths in proptest::collection::vec("[a./\\\\\0é ]{0,8}", 0..6)) {
            use std::path::{Component, Path};

            let listed: Vec<_> = paths.iter().map(String::as_str).collect();
            let Ok(entries) = check(&listed) else { return Ok(()) };
            for entry in entries {
                let path = Path::new(&entry.path);
                proptest::prop_assert!(!entry.path.contains('\0') && path.is_relative());
                let steps: Vec<_> = path.components().collect();
                proptest::prop_assert!(!steps.is_empty());
                proptest::prop_assert!(steps.iter().all(|it| matches!(it, Component::Normal(_))));
                let again: std::path::PathBuf = steps.iter().collect();
                proptest::prop_assert_eq!(again.to_str(), Some(entry.path.as_str()));
            }
        }
    }
}
