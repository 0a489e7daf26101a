//! Files from a source to a directory, each read once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use deployment::File as FileRecord;
use transport::{Digest, Hasher, Paced, for_each, retry};

use crate::error::Error;
use crate::source::{Entry, Resume, Source};

const BUFFER: usize = 256 * 1024;

/// Who is told how far it came: of each byte once, whatever had to be read
/// again, and of each file that is done.
pub struct Told<'a> {
    pub bytes: &'a (dyn Fn(u64) + Sync),
    pub file: &'a (dyn Fn() + Sync),
}

/// Downloads all of `entries`, which are [checked](crate::source::checked),
/// into a new directory, and gives what came.
pub fn download(
    source: &dyn Source,
    entries: &[Entry],
    directory: &Path,
    jobs: usize,
    told: &Told,
) -> Result<Vec<FileRecord>, Error> {
    let parents: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| directory.join(&entry.path).parent().map(Path::to_owned))
        .collect();
    for parent in parents {
        fs::create_dir_all(&parent).map_err(|error| Error::file("create", &parent, error))?;
    }
    // MLmodel last: while it is missing, the directory is no model.
    let (last, first): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.path == "MLmodel");
    let fetch = |entry: &Entry| Transfer { source, entry, told }.run(&directory.join(&entry.path));
    let mut files = for_each(first, jobs, fetch)?;
    files.extend(for_each(last, 1, fetch)?);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

struct Transfer<'a> {
    source: &'a dyn Source,
    entry: &'a Entry,
    told: &'a Told<'a>,
}

/// What an attempt leaves to the next one.
struct Part {
    file: File,
    hasher: Hasher,
    size: u64,
    validator: Option<String>,
    told: u64,
}

impl Transfer<'_> {
    fn run(&self, path: &Path) -> Result<FileRecord, Error> {
        // A new file: never through a link that somebody put there.
        let file = File::create_new(path).map_err(|error| Error::file("create", path, error))?;
        let mut part = Part { file, hasher: Hasher::default(), size: 0, validator: None, told: 0 };
        retry(&self.source.retries(), || self.attempt(&mut part, path))?;
        let digest = part.hasher.finish();
        self.check(&digest)?;
        (self.told.file)();
        Ok(FileRecord {
            path: self.entry.path.clone(),
            size: digest.size,
            sha256: digest.sha256,
            crc32c: digest.crc32c,
            ..FileRecord::default()
        })
    }

    fn attempt(&self, part: &mut Part, path: &Path) -> Result<(), Error> {
        let failed = |error| Error::file("write", path, error);
        let resume = part.validator.clone().filter(|_| part.size > 0);
        let resume = resume.map(|validator| Resume { offset: part.size, validator });
        let mut opened = self.source.open(self.entry, resume.as_ref())?;
        let mut content = Paced(&mut opened.content);
        if opened.offset != part.size {
            part.restart().map_err(failed)?;
        }
        part.validator = opened.validator;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let path = self.entry.path.clone();
                    return Err(Error::Interrupted { path, got: part.size, source });
                }
            };
            if self.entry.size.is_some_and(|size| part.size + count as u64 > size) {
                return Err(self.wrong_size(&format!("more than {}", part.size)));
            }
            part.append(&buffer[..count]).map_err(failed)?;
            let new = part.size.saturating_sub(part.told);
            part.told += new;
            (self.told.bytes)(new);
        }
    }

    fn check(&self, digest: &Digest) -> Result<(), Error> {
        if self.entry.size.is_some_and(|size| size != digest.size) {
            return Err(self.wrong_size(&digest.size.to_string()));
        }
        match &self.entry.crc32c {
            Some(listed) if *listed != digest.crc32c => Err(Error::broken(format!(
                "'{}' came with crc32c {}, and {listed} is listed",
                self.entry.path, digest.crc32c
            ))),
            _ => Ok(()),
        }
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
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.set_len(0)?;
        self.hasher = Hasher::default();
        self.size = 0;
        Ok(())
    }
}
