//! A model's files into a directory, each read once and hashed on its way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use transport::for_each;

use crate::cache::Cached;
use crate::error::Error;
use crate::known::{Identity, Known};
use crate::source::{Entry, Source};
use crate::store::Staging;
use crate::transfer::Transfer;

/// Who is told how far it came.
pub struct Told<'a> {
    /// Of each byte once, whether it was here or came, and came again.
    pub bytes: &'a (dyn Fn(u64) + Sync),
    /// Of what was read from the source.
    pub came: &'a (dyn Fn(u64) + Sync),
    /// Of each file that is done.
    pub file: &'a (dyn Fn() + Sync),
}

pub struct Download<'a> {
    pub source: &'a dyn Source,
    pub staging: &'a Staging,
    pub cached: Option<&'a Cached<'a>>,
    pub jobs: usize,
    pub told: Told<'a>,
}

impl Download<'_> {
    /// Brings all of `entries`, which are [checked](crate::source::checked), and
    /// gives what came, in their order.
    pub fn run(&self, mut entries: Vec<Entry>, identity: &Identity) -> Result<Vec<Known>, Error> {
        // What cannot come is told before the rest has.
        entries.iter().try_for_each(|entry| self.source.check(entry))?;
        let directory = self.staging.path();
        make_parents(&entries, &directory)?;
        let fetch = |entry: Entry| {
            let path = directory.join(&entry.path);
            self.file(entry, &path)
        };
        // MLmodel last: while it is missing, the directory is no model.
        let last = entries.iter().position(|entry| entry.path == "MLmodel");
        let last = last.map(|at| entries.remove(at));
        let mut files = for_each(entries, self.jobs, fetch)?;
        if let Some(entry) = last {
            let known = fetch(entry)?;
            if known.file.sha256 != identity.mlmodel {
                return Err(Error::Broken {
                    message: "MLmodel changed while the model's files came".into(),
                    hint: Some("somebody is writing the model; run again once it is done".into()),
                });
            }
            let at = files.partition_point(|other| other.file.path < known.file.path);
            files.insert(at, known);
        }
        Ok(files)
    }

    fn file(&self, entry: Entry, path: &Path) -> Result<Known, Error> {
        let known = match self.at_hand(&entry, path) {
            Some(known) => {
                (self.told.bytes)(known.file.size);
                known
            }
            None => Transfer::new(self.source, self.staging, entry, &self.told).run(path)?,
        };
        if let Some(cached) = self.cached {
            cached.keep(&known, path);
        }
        (self.told.file)();
        Ok(known)
    }

    /// A file that came before: in an earlier run that was cut off, or for
    /// another directory.
    fn at_hand(&self, entry: &Entry, path: &Path) -> Option<Known> {
        if let Some(known) = self.staging.whole(&entry.path)
            && known.is_still(entry, self.source)
            && known.is_in(path)
        {
            return Some(known);
        }
        let cached = self.cached?;
        // What lies there is of no use; a part of one has its own record.
        if self.staging.is_begun(&entry.path) {
            return None;
        }
        let _ = fs::remove_file(path);
        cached.bring(entry, self.source, path)
    }
}

fn make_parents(entries: &[Entry], directory: &Path) -> Result<(), Error> {
    let paths = entries.iter().map(|entry| entry.path.as_str());
    let parents: BTreeSet<_> = paths.filter_map(|path| Some(path.rsplit_once('/')?.0)).collect();
    for parent in parents {
        let parent = directory.join(parent);
        fs::create_dir_all(&parent).map_err(|error| Error::file("create", &parent, error))?;
    }
    Ok(())
}
