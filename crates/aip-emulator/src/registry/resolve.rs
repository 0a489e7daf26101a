//! From an image's URI to what a container is made from.

use std::io;

use serde::Deserialize;

use super::digest::Digest;
use super::error::Refusal;
use super::image::{Config, Image, ImageError, Layer};
use super::manifest::{Descriptor, Manifest, Platform};
use super::reference::Reference;
use super::{Registry, Stored};

/// The file that the manifest calls its config.
#[derive(Deserialize)]
struct ConfigFile {
    os: String,
    architecture: String,
    #[serde(default)]
    config: Option<Config>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// The manifest of one image, and what it names.
pub(super) struct Found {
    pub(super) stored: Stored,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

impl Registry {
    /// The image that a URI names: `HOST/PATH[:TAG][@DIGEST]`, where the host
    /// is the emulator's own or one of Artifact Registry's.
    pub fn image(&self, uri: &str) -> Result<Image, ImageError> {
        let reference = self.own(uri)?;
        let found = self.for_platform(uri, &reference)?;
        let broken = |err: String| ImageError::Broken(uri.to_owned(), err);
        let config = self.config_file(&found.config).map_err(|err| broken(err.to_string()))?;
        if (config.os.as_str(), config.architecture.as_str()) != ("linux", "amd64") {
            return Err(ImageError::OtherPlatform(uri.to_owned()));
        }
        let (layers, diff_ids) = (found.layers, config.rootfs.diff_ids);
        if diff_ids.len() != layers.len() {
            return Err(broken("its config is of another number of layers".to_owned()));
        }
        let layers = layers.into_iter().zip(diff_ids).map(|(layer, diff_id)| Layer {
            path: self.0.blobs.path(&layer.digest),
            media_type: layer.media_type,
            diff_id: diff_id.to_string(),
        });
        Ok(Image {
            uri: uri.to_owned(),
            digest: found.stored.digest.to_string(),
            config: config.config.unwrap_or_default(),
            layers: layers.collect(),
        })
    }

    /// What a URI refers to, if that is here at all.
    pub(super) fn own(&self, uri: &str) -> Result<Reference, ImageError> {
        let reference = Reference::parse(uri).ok_or_else(|| ImageError::Invalid(uri.to_owned()))?;
        let is_own = self.0.host.get().is_some_and(|host| *host == reference.host);
        if is_own || reference.host.ends_with("-docker.pkg.dev") {
            return Ok(reference);
        }
        Err(ImageError::Elsewhere(uri.to_owned()))
    }

    /// The manifest for linux/amd64.
    pub(super) fn for_platform(&self, uri: &str, wanted: &Reference) -> Result<Found, ImageError> {
        let not_found = |_: Refusal| ImageError::NotFound(uri.to_owned());
        let broken = |err: String| ImageError::Broken(uri.to_owned(), err);
        let mut stored = self.manifest(&wanted.path, &wanted.wanted).map_err(not_found)?;
        let mut parsed = parse(&stored).map_err(broken)?;
        if let Manifest::Index { manifests } = parsed {
            let ours = manifests.iter().find(|below| is_ours(below));
            let ours = ours.ok_or_else(|| ImageError::OtherPlatform(uri.to_owned()))?;
            stored = self.manifest(&wanted.path, &ours.digest.to_string()).map_err(not_found)?;
            parsed = parse(&stored).map_err(broken)?;
        }
        match parsed {
            Manifest::Image { config, layers } => Ok(Found { stored, config, layers }),
            Manifest::Index { .. } => Err(broken("an index in an index".to_owned())),
        }
    }

    fn config_file(&self, config: &Descriptor) -> io::Result<ConfigFile> {
        Ok(serde_json::from_slice(&self.0.blobs.read(&config.digest)?)?)
    }
}

fn parse(stored: &Stored) -> Result<Manifest, String> {
    let parsed = Manifest::parse(&stored.media_type, &stored.content);
    parsed.map_err(|_| "its manifest cannot be read".to_owned())
}

fn is_ours(below: &Descriptor) -> bool {
    let ours = Platform { os: "linux".to_owned(), architecture: "amd64".to_owned() };
    below.platform.as_ref() == Some(&ours)
}
