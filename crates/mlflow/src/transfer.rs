//! One file from its source, in as many attempts as it takes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use deployment::File as FileRecord;
use transport::{Digest, Hasher, Paced, retry_moving};

use crate::copy::copy;
use crate::download::Told;
use crate::error::Error;
use crate::hashing::Hashing;
use crate::known::Known;
use crate::source::{Entry, Resume, Source};
use crate::store::Staging;

/// What is worth a second thread.
const LARGE: u64 = 1024 * 1024;

/// A smaller file is sooner read again than written down.
const WORTH_A_NOTE: u64 = 256 * 1024;

pub(crate) struct Transfer<'a> {
    source: &'a dyn Source,
    staging: &'a Staging,
    entry: Entry,
    told: &'a Told<'a>,
}

/// What an attempt leaves to the next one.
struct Part {
    file: File,
    hashing: Hashing,
    size: u64,
    validator: Option<String>,
    told: u64,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(
        source: &'a dyn Source,
        staging: &'a Staging,
        entry: Entry,
        told: &'a Told<'a>,
    ) -> Self {
        Self { source, staging, entry, told }
    }

    pub(crate) fn run(self, path: &Path) -> Result<Known, Error> {
        let local = self.source.path(&self.entry);
        let is_local = local.is_some();
        let large = self.entry.size.is_some_and(|size| size >= LARGE);
        let (digest, validator) = match local.filter(|_| large) {
            Some(from) => (self.copy(&from, path)?, None),
            None => self.read(path)?,
        };
        self.check(&digest)?;
        let known = Known {
            file: FileRecord {
                path: self.entry.path,
                size: digest.size,
                sha256: digest.sha256,
                crc32c: digest.crc32c,
                ..FileRecord::default()
            },
            revision: self.entry.revision,
            validator,
        };
        // A copy from this machine is sooner made again than read for its hash.
        if !is_local {
            self.staging
                .journal
                .whole(&known)
                .map_err(|error| Error::file("write", path, error))?;
        }
        Ok(known)
    }

    fn copy(&self, from: &Path, path: &Path) -> Result<Digest, Error> {
        let (from, to) = (open(from)?, new(path)?);
        let copied = copy(&from, &to, self.told.bytes);
        let digest = copied.map_err(|error| Error::file("copy to", path, error))?;
        (self.told.came)(digest.size);
        Ok(digest)
    }

    fn read(&self, path: &Path) -> Result<(Digest, Option<String>), Error> {
        let mut part = self.part(path)?;
        let moved = |part: &Part| part.told;
        let mut attempts = 0_u32;
        retry_moving(&self.source.retries(), &mut part, moved, |part| {
            // Twice, four times, …: one that often fails fills no screen.
            if attempts > 1 && attempts.is_power_of_two() {
                let (path, size) = (&self.entry.path, part.size);
                log::info!("'{path}' failed {attempts} times; going on after {size} bytes");
            }
            attempts += 1;
            self.attempt(part, path)
        })?;
        Ok((part.hashing.finish(), part.validator))
    }

    /// What an earlier run left, if it says what it is and is nobody else's;
    /// else a new file.
    fn part(&self, path: &Path) -> Result<Part, Error> {
        let failed = |error| Error::file("create", path, error);
        let begun = self.staging.begun(&self.entry.path);
        if let Some(validator) = begun.filter(|validator| self.is_of_use(path, validator))
            && let Ok(mut file) = File::options().read(true).write(true).open(path)
        {
            let mut hasher = Hasher::default();
            let size = hasher.update_from(&mut file).map_err(failed)?;
            let hashing = Hashing::after(hasher);
            log::debug!("going on with '{}' after {size} bytes", self.entry.path);
            (self.told.bytes)(size);
            return Ok(Part { file, hashing, size, validator: Some(validator), told: size });
        }
        let (file, hashing) = (new(path)?, Hashing::after(Hasher::default()));
        Ok(Part { file, hashing, size: 0, validator: None, told: 0 })
    }

    /// Nobody else's file, and the beginning of what is listed.
    fn is_of_use(&self, path: &Path, validator: &str) -> bool {
        let Ok(found) = fs::symlink_metadata(path) else { return false };
        let listed = self.entry.size.unwrap_or(u64::MAX);
        found.is_file()
            && found.nlink() == 1
            && (found.len() < listed
                || found.len() == listed && self.source.is_still(&self.entry, Some(validator)))
    }

    fn attempt(&self, part: &mut Part, path: &Path) -> Result<(), Error> {
        let failed = |error| Error::file("write", path, error);
        let resume = part.validator.clone().filter(|_| part.size > 0);
        let resume = resume.map(|validator| Resume { offset: part.size, validator });
        if resume.is_some() && self.entry.size == Some(part.size) {
            // All of it came, and only the end of the answer is missing.
            return Ok(());
        }
        let mut opened = self.source.open(&self.entry, resume.as_ref())?;
        if opened.offset != part.size {
            part.restart().map_err(failed)?;
        }
        if part.validator != opened.validator {
            if self.entry.size.is_none_or(|size| size > WORTH_A_NOTE) {
                let noted =
                    self.staging.journal.begun(&self.entry.path, opened.validator.as_deref());
                noted.map_err(failed)?;
            }
            part.validator = opened.validator;
        }
        let mut content = Paced(&mut opened.content);
        loop {
            let count = match content.read(part.hashing.space()) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(self.broke_off(part, source)),
            };
            if self.entry.size.is_some_and(|size| part.size + count as u64 > size) {
                return Err(self.wrong_size(&format!("more than {}", part.size)));
            }
            part.append(count).map_err(failed)?;
            (self.told.came)(count as u64);
            let new = part.size.saturating_sub(part.told);
            part.told += new;
            (self.told.bytes)(new);
        }
    }

    fn broke_off(&self, part: &Part, source: io::Error) -> Error {
        Error::Interrupted { path: self.entry.path.clone(), got: part.size, source }
    }

    fn check(&self, digest: &Digest) -> Result<(), Error> {
        if self.entry.size.is_some_and(|size| size != digest.size) {
            return Err(self.wrong_size(&digest.size.to_string()));
        }
        self.entry.check(digest)
    }

    fn wrong_size(&self, got: &str) -> Error {
        let listed = self.entry.size.unwrap_or_default();
        Error::Broken {
            message: format!(
                "'{}' came with {got} bytes, and {listed} are listed",
                self.entry.path
            ),
            hint: Some("is it being written just now? run again once it is complete".into()),
        }
    }
}

impl Part {
    fn append(&mut self, count: usize) -> io::Result<()> {
        self.file.write_all(self.hashing.arrived(count))?;
        self.size += count as u64;
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.set_len(0)?;
        self.hashing = Hashing::after(Hasher::default());
        self.size = 0;
        Ok(())
    }
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|error| Error::file("read", path, error))
}

/// A new file: never one that is somebody else's too.
fn new(path: &Path) -> Result<File, Error> {
    let failed = |error| Error::file("create", path, error);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    File::options().read(true).write(true).create_new(true).open(path).map_err(failed)
}
