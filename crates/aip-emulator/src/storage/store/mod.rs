//! Buckets and their objects: the index in memory, the content on disk.

mod buckets;
mod objects;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

pub(super) use buckets::{Bucket, BucketInfo};
pub(super) use objects::Content;

use super::disk::Disk;
use super::object::Object;
use crate::error::ApiError;

#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Disk,
    buckets: RwLock<BTreeMap<String, Bucket>>,
    last_generation: AtomicI64,
}

/// What a reader of objects needs to know about one.
#[derive(Debug, Clone)]
pub struct ObjectMeta {
    pub name: String,
    pub size: u64,
    pub generation: i64,
    /// Base64 of the big-endian CRC-32C
    pub crc32c: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the bucket '{0}' does not exist")]
pub struct NoSuchBucket(pub String);

impl Store {
    pub fn open(dir: &Path) -> io::Result<Self> {
        let disk = Disk::open(dir)?;
        let buckets = disk.load()?;
        let objects = buckets.values().flat_map(|bucket| bucket.objects.values());
        let last = objects.map(|object| object.generation).max().unwrap_or_default();
        let inner =
            Inner { disk, buckets: RwLock::new(buckets), last_generation: AtomicI64::new(last) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The live objects whose names start with `prefix`, by name.
    pub fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectMeta>, NoSuchBucket> {
        let meta = |object: &Arc<Object>| ObjectMeta {
            name: object.name.clone(),
            size: object.size,
            generation: object.generation,
            crc32c: object.crc32c.clone(),
        };
        self.select(bucket, prefix, |objects| objects.map(meta).collect())
            .map_err(|_| NoSuchBucket(bucket.to_owned()))
    }

    /// The file that holds the object's content.
    pub fn path(&self, bucket: &str, name: &str) -> Option<PathBuf> {
        let buckets = self.read();
        let object = buckets.get(bucket)?.objects.get(name)?;
        Some(self.inner.disk.content(object))
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Bucket>> {
        self.inner.buckets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Bucket>> {
        self.inner.buckets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_bucket() -> ApiError {
    ApiError::storage(404, "notFound", "The specified bucket does not exist.")
}

/// As Google writes it.
pub(super) fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
