//! Where buckets and objects lie on disk.
//!
//! ```text
//! .incoming/           uploads that are not finished; emptied at start
//! BUCKET/bucket.json
//! BUCKET/meta/KEY      what is known of the object
//! BUCKET/data/KEY.GEN  its content
//! ```
//!
//! An object's name may be anything up to 1024 bytes, so KEY is its SHA-256.
//! The metadata names the generation: renaming it into place is the moment at
//! which a write counts, and content without metadata is rubbish.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::object::Object;
use super::store::{Bucket, BucketInfo};

const INCOMING: &str = ".incoming";

#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
}

impl Disk {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let incoming = root.join(INCOMING);
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir_all(&incoming)?;
        Ok(Self { root: root.to_owned() })
    }

    pub(super) fn load(&self) -> io::Result<BTreeMap<String, Bucket>> {
        let mut buckets = BTreeMap::new();
        for entry in fs::read_dir(&self.root)? {
            let dir = entry?.path();
            let info = dir.join("bucket.json");
            if info.exists() {
                let info: BucketInfo = read_json(&info)?;
                let objects = self.load_objects(&dir)?;
                buckets.insert(info.name.clone(), Bucket { info, objects });
            }
        }
        Ok(buckets)
    }

    fn load_objects(&self, dir: &Path) -> io::Result<BTreeMap<String, Arc<Object>>> {
        let mut objects = BTreeMap::new();
        for entry in fs::read_dir(dir.join("meta"))? {
            let object: Object = read_json(&entry?.path())?;
            objects.insert(object.name.clone(), Arc::new(object));
        }
        let known: std::collections::HashSet<PathBuf> =
            objects.values().map(|object| self.content(object)).collect();
        for entry in fs::read_dir(dir.join("data"))? {
            let path = entry?.path();
            if !known.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(objects)
    }

    pub(super) fn create_bucket(&self, info: &BucketInfo) -> io::Result<()> {
        let dir = self.root.join(&info.name);
        fs::create_dir_all(dir.join("meta"))?;
        fs::create_dir_all(dir.join("data"))?;
        self.write_json(info, &dir.join("bucket.json"))
    }

    pub(super) fn delete_bucket(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.root.join(name))
    }

    /// A new file for content that is still coming in, on the same file
    /// system as the objects. Its random name is its identity.
    pub(super) fn incoming(&self) -> io::Result<(File, TempPath)> {
        let file = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(40)
            .tempfile_in(self.root.join(INCOMING))?;
        Ok(file.into_parts())
    }

    pub(super) fn content(&self, object: &Object) -> PathBuf {
        let file = format!("{}.{}", key(&object.name), object.generation);
        self.root.join(&object.bucket).join("data").join(file)
    }

    /// Puts the object in the place of `old`, which loses its content.
    pub(super) fn commit(
        &self,
        object: &Object,
        content: TempPath,
        old: Option<&Object>,
    ) -> io::Result<()> {
        content.persist(self.content(object))?;
        self.write_meta(object)?;
        match old {
            Some(old) => fs::remove_file(self.content(old)),
            None => Ok(()),
        }
    }

    pub(super) fn write_meta(&self, object: &Object) -> io::Result<()> {
        self.write_json(object, &self.meta(object))
    }

    pub(super) fn delete(&self, object: &Object) -> io::Result<()> {
        fs::remove_file(self.meta(object))?;
        fs::remove_file(self.content(object))
    }

    fn meta(&self, object: &Object) -> PathBuf {
        self.root.join(&object.bucket).join("meta").join(key(&object.name))
    }

    fn write_json(&self, value: &impl Serialize, path: &Path) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(self.root.join(INCOMING))?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.persist(path)?;
        Ok(())
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(path)?)
        .map_err(|err| io::Error::other(format!("cannot read '{}': {err}", path.display())))
}

fn key(name: &str) -> String {
    Sha256::digest(name).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
