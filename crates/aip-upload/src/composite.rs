//! A large file in parts, which the service puts together.
//!
//! ```text
//! gs://BUCKET/ROUTE/VERSION/.parts/KEY/00 …    the parts, checked one by one
//! gs://BUCKET/ROUTE/VERSION/.parts/KEY/whole   put together, its sum compared
//! ```
//!
//! Only then is it copied to its name, which moves no byte: nothing that is wrong
//! is ever seen there. The parts go away with the upload, or, where it broke off,
//! with the next.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use deployment::Kind;
use gcp::storage::{Body, GsUri, Insert, MAX_PARTS, ObjectMeta, Rewrite};
use log::{info, warn};
use serde::{Deserialize, Serialize};
use stage::Failure;
use transport::Crc32c;

use crate::item::{Item, Source};
use crate::send::{Sender, not_written};

/// Below this size, parts are not worth their requests.
const THRESHOLD: u64 = 150 * 1024 * 1024;

/// No part is smaller, and each is a multiple of this.
const PART: u64 = 32 * 1024 * 1024;

/// Where the parts lie that a run has begun.
#[derive(Serialize, Deserialize)]
struct Parts {
    bucket: String,
    prefix: String,
}

pub(crate) struct Composite<'a> {
    sender: &'a Sender<'a>,
    /// The item's place in the plan.
    pub(crate) at: usize,
    pub(crate) item: &'a Item<'a>,
    path: PathBuf,
    prefix: String,
    part: u64,
    sent: Mutex<Vec<Option<(ObjectMeta, Crc32c)>>>,
}

/// Those that go in parts, if that was asked for and costs nothing here. What
/// an earlier run left is taken up, or removed where it is of no use.
pub(crate) fn begin<'a>(
    sender: &'a Sender<'a>,
    items: &[(usize, &'a Item<'a>)],
) -> Result<Vec<Composite<'a>>, Failure> {
    let wanted = sender.in_parts && is_free(sender)?;
    let large = items.iter().filter(|(_, item)| wanted && item.size() > THRESHOLD);
    let left: Vec<Parts> =
        sender.journal.and_then(|journal| journal.noted("parts")).unwrap_or_default();
    let mut composites = Vec::new();
    for (at, item) in large {
        if let Source::File(path) = item.source() {
            composites.push(Composite::new(sender, *at, item, path));
        }
    }
    for parts in left {
        let key =
            |prefix: &str| prefix.rsplit('/').nth(1).map(|key| key[..key.len().min(16)].to_owned());
        match composites.iter_mut().find(|one| key(&one.prefix) == key(&parts.prefix)) {
            Some(composite) if parts.bucket == composite.item.bucket() => {
                composite.prefix = parts.prefix;
            }
            _ => {
                is_removed(sender, &parts.bucket, &parts.prefix);
            }
        }
    }
    let noted: Vec<_> = composites
        .iter()
        .map(|one| Parts { bucket: one.item.bucket().to_owned(), prefix: one.prefix.clone() })
        .collect();
    if let Some(journal) = sender.journal {
        if noted.is_empty() {
            journal.forget("parts");
        } else if let Err(error) = journal.note("parts", &noted) {
            log::debug!("cannot note where the parts are: {error}");
        }
    }
    Ok(composites)
}

/// Parts live for a minute: in a bucket that makes objects stay, or charges
/// for those that do not, they are no bargain.
fn is_free(sender: &Sender) -> Result<bool, Failure> {
    let name = &sender.plan.bucket;
    let bucket = match sender.storage.bucket(name) {
        Err(error) if error.status() == Some(403) => {
            warn!("cannot look at bucket '{name}', so files go in one piece: {error}");
            return Ok(false);
        }
        bucket => bucket?,
    };
    if bucket.retains {
        info!("bucket '{name}' retains its objects, so files go in one piece");
    } else if bucket.storage_class != "STANDARD" {
        let class = &bucket.storage_class;
        info!("bucket '{name}' is of class {class}, so files go in one piece");
    }
    Ok(!bucket.retains && bucket.storage_class == "STANDARD")
}

fn remove(sender: &Sender, bucket: &str, prefix: &str) -> Result<(), Failure> {
    for object in sender.storage.list(bucket, prefix)? {
        sender.storage.delete(bucket, &object)?;
    }
    Ok(())
}

/// Parts that stay cost something, but are in nobody's way: a caller who may not
/// remove them can upload all the same.
fn is_removed(sender: &Sender, bucket: &str, prefix: &str) -> bool {
    let Err(failure) = remove(sender, bucket, prefix) else { return true };
    let hint = "aip-upload prune, by who may remove objects, removes them";
    warn!(hint; "parts stay in 'gs://{bucket}/{prefix}': {failure}");
    false
}

impl<'a> Composite<'a> {
    fn new(sender: &'a Sender<'a>, at: usize, item: &'a Item<'a>, path: PathBuf) -> Self {
        let part = item.size().div_ceil(MAX_PARTS).next_multiple_of(PART);
        let count = usize::try_from(item.size().div_ceil(part)).unwrap_or_default();
        // Half of it is the file's, to know it again; half is this run's alone.
        let address = format!("{}\n{}\n{}", item.name(), item.crc32c(), item.size());
        let digest = transport::Digest::of_bytes(address.as_bytes()).sha256;
        let key = format!("{}{:016x}", &digest[..16], RandomState::new().hash_one(()));
        Self {
            sender,
            at,
            item,
            path,
            prefix: format!("{}.parts/{key}/", sender.plan.prefix),
            part,
            sent: Mutex::new(vec![None; count]),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn part_size(&self, index: usize) -> u64 {
        self.part.min(self.item.size() - self.start(index))
    }

    fn start(&self, index: usize) -> u64 {
        self.part * index as u64
    }

    /// Sends a part; who sends the last puts them together.
    pub(crate) fn send(
        &self,
        index: usize,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<Option<ObjectMeta>, Failure> {
        let (start, size) = (self.start(index), self.part_size(index));
        let sum = sum(&self.path, start, size).map_err(|source| {
            Failure::failed(format!("cannot read '{}'", self.path.display())).cause(&source)
        })?;
        let (name, crc32c) = (format!("{}{index:02}", self.prefix), sum.to_string());
        let there = self.sender.there.get(&name).filter(|part| part.holds(size, &crc32c));
        let insert = Insert {
            bucket: self.item.bucket(),
            name: &name,
            content: Body::File(&self.path, start),
            size,
            crc32c: &crc32c,
            replaces: 0,
        };
        let object = if let Some(part) = there {
            // An earlier run has sent it.
            sent(size);
            part.clone()
        } else {
            let written = self.sender.storage.insert(&insert, self.sender.journal, sent);
            written.map_err(|error| not_written(self.item, error))?
        };
        let mut all = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        all[index] = Some((object, sum));
        if all.iter().any(Option::is_none) {
            return Ok(None);
        }
        let parts = all.iter().flatten().cloned().collect::<Vec<_>>();
        drop(all);
        self.finish(&parts).map(Some)
    }

    fn finish(&self, parts: &[(ObjectMeta, Crc32c)]) -> Result<ObjectMeta, Failure> {
        let Self { sender, item, .. } = self;
        let whole = parts
            .iter()
            .fold(Crc32c::default(), |whole, (part, sum)| whole.followed_by(*sum, part.size));
        if whole.to_string() != item.crc32c() {
            let path = self.path.display().to_string();
            return Err(not_written(item, gcp::Error::Changed { path }));
        }
        let parts: Vec<_> = parts.iter().map(|(part, _)| part.clone()).collect();
        let name = format!("{}whole", self.prefix);
        let composed = sender.storage.compose(item.bucket(), &name, &parts);
        let composed = composed.map_err(|error| not_written(item, error))?;
        if !item.is(&composed) {
            let message = format!("the parts of '{}' were put together wrong", item.uri());
            return Err(Failure::failed(message).hint("leave out --parallel-composite"));
        }
        let from = GsUri { bucket: item.bucket().to_owned(), name };
        let name = item.name();
        let rewrite: Rewrite =
            item.rewrite(&name, &from, Some(composed.generation), sender.replaces(&name));
        let copied = sender.storage.rewrite(&rewrite, &|_| ());
        copied.map_err(|error| not_written(item, error))
    }
}

/// Removes the parts, but those that the next run may take up.
pub(crate) fn end(sender: &Sender, composites: &[Composite], failure: Option<&Failure>) {
    let goes_on = failure.is_some_and(|failure| failure.is(Kind::Unavailable));
    if composites.is_empty() || (goes_on && sender.journal.is_some()) {
        return;
    }
    let mut all_gone = true;
    for Composite { item, prefix, .. } in composites {
        all_gone &= is_removed(sender, item.bucket(), prefix);
    }
    if let Some(journal) = sender.journal.filter(|_| all_gone) {
        journal.forget("parts");
    }
}

fn sum(path: &Path, start: u64, size: u64) -> std::io::Result<Crc32c> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut sum = Crc32c::default();
    sum.update_from(file.take(size)).map(|_| sum)
}
