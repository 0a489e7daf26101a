//! An OCI registry (distribution specification 1.1), in the place of Artifact
//! Registry.
//!
//! Repositories come into being when something is pushed to them; the real
//! service wants them created first.

mod assembly;
mod auth;
mod blob;
mod blobs;
mod digest;
mod error;
mod image;
mod manifest;
mod manifests;
mod name;
mod reference;
mod repository;
mod resolve;
mod router;
mod session;
mod stand_in;
mod tags;
mod target;
mod upload;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

pub(crate) use assembly::Assembly;
pub(crate) use error::refusal;
pub use image::{Config, Image, ImageError, Layer};
pub(crate) use router::router;
pub(crate) use target::{METHODS, is_content, method};

use blobs::Blobs;
use digest::Digest;
use error::Refusal;
use manifest::Manifest;
use repository::Repository;
use session::Sessions;

/// Repositories, their manifests and the blobs these are made of.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    blobs: Blobs,
    repositories: RwLock<BTreeMap<String, Repository>>,
    sessions: Sessions,
    /// `HOST:PORT` of the listener
    host: OnceLock<String>,
}

/// A manifest as it was pushed.
struct Stored {
    digest: Digest,
    media_type: String,
    content: Vec<u8>,
}

impl Registry {
    pub fn open(dir: &Path) -> io::Result<Self> {
        let blobs = Blobs::open(dir)?;
        let dir = dir.join("repositories");
        let repositories = RwLock::new(repository::load(&dir)?);
        let (sessions, host) = (Sessions::default(), OnceLock::new());
        Ok(Self(Arc::new(Inner { dir, blobs, repositories, sessions, host })))
    }

    /// Says where requests reach the emulator, once that is known.
    pub(crate) fn set_host(&self, host: String) {
        self.0.host.get_or_init(|| host);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Repository>> {
        self.0.repositories.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a repository, which is made if there is none.
    fn change<T>(&self, name: &str, change: impl FnOnce(&mut Repository) -> T) -> io::Result<T> {
        let mut all = self.0.repositories.write().unwrap_or_else(PoisonError::into_inner);
        let mut repository = all.get(name).cloned().unwrap_or_default();
        let changed = change(&mut repository);
        repository.save(&self.0.dir, name)?;
        all.insert(name.to_owned(), repository);
        Ok(changed)
    }

    fn has_blob(&self, name: &str, digest: &Digest) -> bool {
        self.read().get(name).is_some_and(|repository| repository.blobs.contains(digest))
    }

    /// Makes a blob that is there one of the repository's own.
    fn link_blob(&self, name: &str, digest: &Digest) -> io::Result<()> {
        self.change(name, |repository| repository.blobs.insert(digest.clone())).map(drop)
    }

    fn manifest(&self, name: &str, wanted: &str) -> Result<Stored, Refusal> {
        self.offer_stand_in(name, wanted)?;
        let (digest, media_type) = {
            let all = self.read();
            let repository = all.get(name).ok_or_else(|| Refusal::no_repository(name))?;
            let (digest, media_type) =
                repository.find(wanted).ok_or_else(|| Refusal::no_manifest(wanted))?;
            (digest.clone(), media_type.clone())
        };
        let content = self.0.blobs.read(&digest)?;
        Ok(Stored { digest, media_type, content })
    }

    /// Takes a manifest if all that it names is in the repository already.
    fn put_manifest(
        &self,
        name: &str,
        tag: Option<&str>,
        media_type: &str,
        content: &[u8],
    ) -> Result<Digest, Refusal> {
        let manifest = Manifest::parse(media_type, content)?;
        self.check_references(name, &manifest)?;
        let digest = self.0.blobs.add(content)?;
        self.change(name, |repository| {
            repository.manifests.insert(digest.clone(), media_type.to_owned());
            if let Some(tag) = tag {
                repository.tags.insert(tag.to_owned(), digest.clone());
            }
        })?;
        Ok(digest)
    }

    fn check_references(&self, name: &str, manifest: &Manifest) -> Result<(), Refusal> {
        let all = self.read();
        let repository = all.get(name);
        let is_known = |known: &dyn Fn(&Repository) -> bool| repository.is_some_and(known);
        for blob in manifest.blobs() {
            if !is_known(&|repository| repository.blobs.contains(&blob.digest)) {
                return Err(Refusal::missing_reference(&blob.digest));
            }
            if self.0.blobs.size(&blob.digest)? != blob.size {
                let message = format!("'{}' is not {} bytes long", blob.digest, blob.size);
                return Err(Refusal::bad_manifest(message));
            }
        }
        for below in manifest.manifests() {
            if !is_known(&|repository| repository.manifests.contains_key(&below.digest)) {
                return Err(Refusal::missing_reference(&below.digest));
            }
        }
        Ok(())
    }
}
