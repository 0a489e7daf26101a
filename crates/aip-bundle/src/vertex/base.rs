//! The image that ours is built on.

use std::path::PathBuf;
use std::sync::Arc;

use gcp::Credentials;
use gcp::images::{Access, registry};
use oci::{Blobs, Digest, Image, ImageConfig, Layout, Manifest, Platform, Reference, Resolved};
use serde::{Deserialize, Serialize};
use stage::{Failure, Process};

use super::cache::Cache;
use super::error::Error;

/// What stands for `X.Y` in a name.
const PYTHON: &str = "{python}";

/// Debian's, small, of whom Python itself is.
pub(super) fn default_name() -> String {
    format!("docker.io/library/python:{PYTHON}-slim")
}

/// Where it is to be had.
#[derive(Debug)]
pub(super) enum Origin {
    /// An image layout on this machine.
    Layout(PathBuf),
    Registry(Reference),
}

/// The image, for linux/amd64.
#[derive(Debug)]
pub(super) struct Base {
    /// By digest, where it is in a registry.
    pub(super) reference: Option<Reference>,
    pub(super) image: Image,
    /// Where its blobs are.
    pub(super) blobs: Blobs,
}

/// What the cache remembers of an image, by the digest of its name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    media_type: String,
    manifest: Digest,
}

impl Origin {
    pub(super) fn parse(name: &str, python_version: &str) -> Result<Self, Failure> {
        let name = name.replace(PYTHON, python_version);
        let directory = name.strip_prefix("oci:");
        if let Some(path) = directory.or_else(|| name.starts_with(['.', '/']).then_some(&*name)) {
            return Ok(Self::Layout(path.into()));
        }
        let reference = name.parse::<Reference>().map_err(oci::Error::from);
        Ok(Self::Registry(reference.map_err(|error| Failure::from(error).context("--base-image"))?))
    }

    pub(super) fn get(
        &self,
        process: &Process,
        cache: &Cache,
        credentials: &Arc<Credentials>,
    ) -> Result<Base, Failure> {
        let base = match self {
            Self::Layout(path) => {
                let layout = Layout::new(path);
                let image = layout.read()?;
                Base { reference: None, image, blobs: layout.blobs().clone() }
            }
            Self::Registry(reference) => {
                pulled(process, cache, credentials, reference).map_err(|failure| {
                    failure.context(format!("cannot get the base image '{self}'"))
                })?
            }
        };
        let (wanted, found) = (Platform::linux_amd64(), base.image.config.platform());
        if found.is(&wanted) {
            return Ok(base);
        }
        let (image, found) = (self.to_string(), found.to_string());
        Err(Error::OtherPlatform { image, found }.into())
    }

    /// The digest behind the name, without its blobs.
    pub(super) fn pin(
        &self,
        cache: &Cache,
        credentials: &Arc<Credentials>,
    ) -> Result<Reference, Failure> {
        match self {
            Self::Layout(path) => Err(Error::LocalBase(path.display().to_string()).into()),
            Self::Registry(reference) if reference.digest.is_some() => Ok(reference.clone()),
            Self::Registry(reference) => Ok(resolved(cache, credentials, reference)?.reference),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Layout(path) => write!(f, "oci:{}", path.display()),
            Self::Registry(reference) => write!(f, "{reference}"),
        }
    }
}

impl Base {
    /// The digest that the base is known by: its name's, else its manifest's.
    pub(super) fn digest(&self) -> &Digest {
        let named = self.reference.as_ref().and_then(|reference| reference.digest.as_ref());
        named.unwrap_or(&self.image.digest)
    }

    /// Official images say which Python they have.
    pub(super) fn check_python(&self, name: &Origin, wanted: &str) -> Result<(), Error> {
        let env = self.image.config.config.env.iter().flatten();
        let found = env.clone().find_map(|line| line.strip_prefix("PYTHON_VERSION="));
        let same = |found: &&str| format!("{found}.").starts_with(&format!("{wanted}."));
        match found.filter(|found| !same(found)) {
            Some(found) => Err(Error::OtherPython {
                image: name.to_string(),
                found: found.into(),
                wanted: wanted.into(),
            }),
            None => Ok(()),
        }
    }
}

fn pulled(
    process: &Process,
    cache: &Cache,
    credentials: &Arc<Credentials>,
    reference: &Reference,
) -> Result<Base, Failure> {
    let resolved = resolved(cache, credentials, reference)?;
    let missing = resolved.image.blobs().into_iter().filter(|blob| !cache.blobs.has(blob));
    let size: u64 = missing.map(|blob| blob.size).sum();
    if size > 0 {
        let progress = process.progress(format!("pulling {reference}"), size);
        let registry = registry(&reference.host, credentials.clone(), Access::Read);
        registry.pull(&resolved, &cache.blobs, &|count| progress.advance(count))?;
    }
    let Resolved { reference, image } = resolved;
    // The manifest last: it says that all the rest is there.
    cache.blobs.add(&image.media_type, &image.content)?;
    if let Some(digest) = &reference.digest {
        let note = Note { media_type: image.media_type.clone(), manifest: image.digest.clone() };
        cache.remember("bases", digest.hex(), &note)?;
    }
    Ok(Base { reference: Some(reference), image, blobs: cache.blobs.clone() })
}

/// A name with a digest means the same for ever; only others are asked for again.
fn resolved(
    cache: &Cache,
    credentials: &Arc<Credentials>,
    reference: &Reference,
) -> Result<Resolved, Failure> {
    if let Some(image) = reference.digest.as_ref().and_then(|digest| cached(cache, digest)) {
        return Ok(Resolved { reference: reference.clone(), image });
    }
    let registry = registry(&reference.host, credentials.clone(), Access::Read);
    Ok(registry.resolve(reference, &Platform::linux_amd64())?)
}

fn cached(cache: &Cache, digest: &Digest) -> Option<Image> {
    let Note { media_type, manifest: digest } = cache.note("bases", digest.hex())?;
    let content = cache.blobs.read(&digest).ok()?;
    let manifest: Manifest = serde_json::from_slice(&content).ok()?;
    let config = cache.blobs.read(&manifest.config.digest).ok()?;
    let config: ImageConfig = serde_json::from_slice(&config).ok()?;
    Some(Image { digest, media_type, manifest, content, config })
}
