//! Buckets and their objects: the index in memory, the content on disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use super::checksum::{Sums, md5_of};
use super::disk::Disk;
use super::object::{Object, Settings};
use super::precondition::Preconditions;
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

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) info: BucketInfo,
    pub(super) objects: BTreeMap<String, Arc<Object>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BucketInfo {
    pub(super) name: String,
    pub(super) location: String,
    pub(super) storage_class: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) created: String,
    /// Seconds for which an object can neither be removed nor overwritten
    #[serde(default)]
    pub(super) retention: Option<u64>,
}

impl Bucket {
    fn may_lose(&self, object: &Object) -> Result<(), ApiError> {
        let Some(seconds) = self.info.retention else { return Ok(()) };
        let created = humantime::parse_rfc3339(&object.created).unwrap_or(SystemTime::UNIX_EPOCH);
        let until = created + Duration::from_secs(seconds);
        if until <= SystemTime::now() {
            return Ok(());
        }
        let message = format!(
            "Object '{}/{}' is subject to bucket's retention policy or object retention and cannot \
             be deleted or overwritten until {}",
            object.bucket,
            object.name,
            humantime::format_rfc3339_seconds(until)
        );
        Err(ApiError::storage(403, "retentionPolicyNotMet", message))
    }
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

/// Content that has arrived whole and only waits to be put under a name.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) path: TempPath,
    pub(super) size: u64,
    pub(super) sums: Sums,
    pub(super) component_count: Option<u64>,
}

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

    /// Makes a bucket as if by the API, without settings.
    pub fn create_bucket(&self, name: &str) -> Result<(), ApiError> {
        self.insert_bucket(BucketInfo {
            name: name.to_owned(),
            location: "US".to_owned(),
            storage_class: "STANDARD".to_owned(),
            labels: BTreeMap::new(),
            created: now(),
            retention: None,
        })
    }

    pub(super) fn insert_bucket(&self, info: BucketInfo) -> Result<(), ApiError> {
        super::name::check_bucket(&info.name)?;
        let mut buckets = self.write();
        if buckets.contains_key(&info.name) {
            let message = "Your previous request to create the named bucket succeeded and you \
                           already own it.";
            return Err(ApiError::storage(409, "conflict", message));
        }
        self.inner.disk.create_bucket(&info)?;
        buckets.insert(info.name.clone(), Bucket { info, objects: BTreeMap::new() });
        Ok(())
    }

    pub(super) fn bucket(&self, name: &str) -> Result<BucketInfo, ApiError> {
        self.read().get(name).map(|bucket| bucket.info.clone()).ok_or_else(no_bucket)
    }

    pub(super) fn buckets(&self, prefix: &str) -> Vec<BucketInfo> {
        let buckets = self.read();
        let named = buckets.values().filter(|bucket| bucket.info.name.starts_with(prefix));
        named.map(|bucket| bucket.info.clone()).collect()
    }

    pub(super) fn delete_bucket(&self, name: &str) -> Result<(), ApiError> {
        let mut buckets = self.write();
        if !buckets.get(name).ok_or_else(no_bucket)?.objects.is_empty() {
            let message = "The bucket you tried to delete is not empty.";
            return Err(ApiError::storage(409, "conflict", message));
        }
        self.inner.disk.delete_bucket(name)?;
        buckets.remove(name);
        Ok(())
    }

    /// Hands the objects whose names start with `prefix` to `take`, in the
    /// order of their names.
    pub(super) fn select<T>(
        &self,
        bucket: &str,
        prefix: &str,
        take: impl FnOnce(&mut dyn Iterator<Item = &Arc<Object>>) -> T,
    ) -> Result<T, ApiError> {
        let buckets = self.read();
        let objects = &buckets.get(bucket).ok_or_else(no_bucket)?.objects;
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let named = objects.range::<str, _>(from).map(|(_, object)| object);
        Ok(take(&mut named.take_while(|object| object.name.starts_with(prefix))))
    }

    pub(super) fn get(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<i64>,
    ) -> Result<Arc<Object>, ApiError> {
        find(&self.read(), bucket, name, generation).cloned()
    }

    /// The object and its content, opened together so that they belong
    /// together whatever is written meanwhile.
    pub(super) fn open_object(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<i64>,
    ) -> Result<(Arc<Object>, File), ApiError> {
        let buckets = self.read();
        let object = find(&buckets, bucket, name, generation)?;
        Ok((object.clone(), File::open(self.inner.disk.content(object))?))
    }

    pub(super) fn incoming(&self) -> io::Result<(File, TempPath)> {
        self.inner.disk.incoming()
    }

    pub(super) fn content(&self, object: &Object) -> PathBuf {
        self.inner.disk.content(object)
    }

    /// None of a composed object, and of one that has just gone.
    pub(super) fn md5(&self, object: &Object) -> Option<String> {
        if object.component_count.is_some() {
            return None;
        }
        if object.md5.get().is_none()
            && let Ok(md5) = md5_of(&self.content(object))
        {
            let _ = object.md5.set(md5);
        }
        object.md5.get().cloned()
    }

    /// Would a write be accepted now? Asked early, so that nobody sends a
    /// gigabyte for nothing; `put` asks again.
    pub(super) fn check(
        &self,
        bucket: &str,
        name: &str,
        conditions: &Preconditions,
    ) -> Result<(), ApiError> {
        let buckets = self.read();
        let current = buckets.get(bucket).ok_or_else(no_bucket)?.objects.get(name);
        conditions.check(current.map(AsRef::as_ref))
    }

    pub(super) fn put(
        &self,
        bucket: &str,
        name: &str,
        settings: Settings,
        content: Content,
        conditions: &Preconditions,
    ) -> Result<Arc<Object>, ApiError> {
        let mut buckets = self.write();
        let place = buckets.get_mut(bucket).ok_or_else(no_bucket)?;
        let old = place.objects.get(name).map(AsRef::as_ref);
        conditions.check(old)?;
        old.map_or(Ok(()), |old| place.may_lose(old))?;
        let created = now();
        let object = Object {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
            generation: self.next_generation(),
            metageneration: 1,
            size: content.size,
            crc32c: content.sums.crc32c,
            md5: content.sums.md5.map(OnceLock::from).unwrap_or_default(),
            component_count: content.component_count,
            updated: created.clone(),
            created,
            settings,
        };
        self.inner.disk.commit(&object, content.path, old)?;
        let object = Arc::new(object);
        place.objects.insert(object.name.clone(), object.clone());
        Ok(object)
    }

    /// Changes an object's metadata, not its content.
    pub(super) fn modify(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<i64>,
        conditions: &Preconditions,
        change: impl FnOnce(&Settings) -> Result<Settings, ApiError>,
    ) -> Result<Arc<Object>, ApiError> {
        let mut buckets = self.write();
        let current = find(&buckets, bucket, name, generation)?;
        conditions.check(Some(current))?;
        let mut object = Object::clone(current);
        object.settings = change(&object.settings)?;
        object.metageneration += 1;
        object.updated = now();
        self.inner.disk.write_meta(&object)?;
        let object = Arc::new(object);
        if let Some(bucket) = buckets.get_mut(bucket) {
            bucket.objects.insert(object.name.clone(), object.clone());
        }
        Ok(object)
    }

    pub(super) fn delete(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<i64>,
        conditions: &Preconditions,
    ) -> Result<(), ApiError> {
        let mut buckets = self.write();
        let current = find(&buckets, bucket, name, generation)?;
        conditions.check(Some(current))?;
        buckets.get(bucket).map_or(Ok(()), |bucket| bucket.may_lose(current))?;
        self.inner.disk.delete(current)?;
        if let Some(bucket) = buckets.get_mut(bucket) {
            bucket.objects.remove(name);
        }
        Ok(())
    }

    /// Microseconds, as Google's generations look, and never the same twice.
    fn next_generation(&self) -> i64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_micros()).unwrap_or_default();
        let last = &self.inner.last_generation;
        let previous = last.fetch_max(now, Ordering::SeqCst);
        if previous < now { now } else { last.fetch_add(1, Ordering::SeqCst) + 1 }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Bucket>> {
        self.inner.buckets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Bucket>> {
        self.inner.buckets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(
    buckets: &'a BTreeMap<String, Bucket>,
    bucket: &str,
    name: &str,
    generation: Option<i64>,
) -> Result<&'a Arc<Object>, ApiError> {
    let objects = &buckets.get(bucket).ok_or_else(no_bucket)?.objects;
    let found = objects.get(name);
    found.filter(|object| generation.is_none_or(|wanted| wanted == object.generation)).ok_or_else(
        || ApiError::storage(404, "notFound", format!("No such object: {bucket}/{name}")),
    )
}

fn no_bucket() -> ApiError {
    ApiError::storage(404, "notFound", "The specified bucket does not exist.")
}

/// As Google writes it.
pub(super) fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
