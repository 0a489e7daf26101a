//! Objects are found, written, changed and removed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tempfile::TempPath;

use super::{Bucket, Store, no_bucket, now};
use crate::error::ApiError;
use crate::storage::checksum::{Sums, md5_of};
use crate::storage::object::{Object, Settings};
use crate::storage::precondition::Preconditions;

/// Content that has arrived whole and only waits to be put under a name.
#[derive(Debug)]
pub(in crate::storage) struct Content {
    pub(in crate::storage) path: TempPath,
    pub(in crate::storage) size: u64,
    pub(in crate::storage) sums: Sums,
    pub(in crate::storage) component_count: Option<u64>,
}

impl Store {
    /// Hands the objects whose names start with `prefix` to `take`, in the
    /// order of their names.
    pub(in crate::storage) fn select<T>(
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

    pub(in crate::storage) fn get(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<i64>,
    ) -> Result<Arc<Object>, ApiError> {
        find(&self.read(), bucket, name, generation).cloned()
    }

    /// The object and its content, opened together so that they belong
    /// together whatever is written meanwhile.
    pub(in crate::storage) fn open_object(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<i64>,
    ) -> Result<(Arc<Object>, File), ApiError> {
        let buckets = self.read();
        let object = find(&buckets, bucket, name, generation)?;
        Ok((object.clone(), File::open(self.inner.disk.content(object))?))
    }

    pub(in crate::storage) fn incoming(&self) -> io::Result<(File, TempPath)> {
        self.inner.disk.incoming()
    }

    pub(in crate::storage) fn content(&self, object: &Object) -> PathBuf {
        self.inner.disk.content(object)
    }

    /// None of a composed object, and of one that has just gone.
    pub(in crate::storage) fn md5(&self, object: &Object) -> Option<String> {
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
    pub(in crate::storage) fn check(
        &self,
        bucket: &str,
        name: &str,
        conditions: &Preconditions,
    ) -> Result<(), ApiError> {
        let buckets = self.read();
        let current = buckets.get(bucket).ok_or_else(no_bucket)?.objects.get(name);
        conditions.check(current.map(AsRef::as_ref))
    }

    pub(in crate::storage) fn put(
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
    pub(in crate::storage) fn modify(
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

    pub(in crate::storage) fn delete(
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
