//! What a bucket is, and all that is done with one as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Store, no_bucket, now};
use crate::error::ApiError;
use crate::storage::name::check_bucket;
use crate::storage::object::Object;

#[derive(Debug)]
pub(in crate::storage) struct Bucket {
    pub(in crate::storage) info: BucketInfo,
    pub(in crate::storage) objects: BTreeMap<String, Arc<Object>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::storage) struct BucketInfo {
    pub(in crate::storage) name: String,
    pub(in crate::storage) location: String,
    pub(in crate::storage) storage_class: String,
    pub(in crate::storage) labels: BTreeMap<String, String>,
    pub(in crate::storage) created: String,
    /// Seconds for which an object can neither be removed nor overwritten
    #[serde(default)]
    pub(in crate::storage) retention: Option<u64>,
}

impl Bucket {
    pub(super) fn may_lose(&self, object: &Object) -> Result<(), ApiError> {
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

impl Store {
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

    pub(in crate::storage) fn insert_bucket(&self, info: BucketInfo) -> Result<(), ApiError> {
        check_bucket(&info.name)?;
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

    pub(in crate::storage) fn bucket(&self, name: &str) -> Result<BucketInfo, ApiError> {
        self.read().get(name).map(|bucket| bucket.info.clone()).ok_or_else(no_bucket)
    }

    pub(in crate::storage) fn buckets(&self, prefix: &str) -> Vec<BucketInfo> {
        let buckets = self.read();
        let named = buckets.values().filter(|bucket| bucket.info.name.starts_with(prefix));
        named.map(|bucket| bucket.info.clone()).collect()
    }

    pub(in crate::storage) fn delete_bucket(&self, name: &str) -> Result<(), ApiError> {
        let mut buckets = self.write();
        if !buckets.get(name).ok_or_else(no_bucket)?.objects.is_empty() {
            let message = "The bucket you tried to delete is not empty.";
            return Err(ApiError::storage(409, "conflict", message));
        }
        self.inner.disk.delete_bucket(name)?;
        buckets.remove(name);
        Ok(())
    }
}
