//! Images that are made here, layer by layer on a base.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Registry;
use super::blobs::Incoming;
use super::digest::Digest;
use super::image::ImageError;
use super::manifest::OCI_IMAGE;
use super::reference::Reference;
use super::stand_in::{OCI_CONFIG, OCI_LAYER, descriptor};

/// An image under way: what is there of it, and nobody sees yet.
#[derive(Debug, Clone)]
pub(crate) struct Assembly {
    /// The file that the manifest calls its config
    pub(crate) config: Value,
    layers: Vec<Value>,
    blobs: Vec<Digest>,
}

impl Registry {
    /// Begins with the layers of an image, which is looked for here even if
    /// its name is Docker Hub's.
    pub(crate) fn assembly(&self, base: &str) -> Result<Assembly, ImageError> {
        let reference = match self.own(base) {
            Ok(reference) => reference,
            Err(err) => docker_hub(base).ok_or(err)?,
        };
        let found = self.for_platform(base, &reference)?;
        let broken = |err: io::Error| ImageError::Broken(base.to_owned(), err.to_string());
        let config = self.0.blobs.read(&found.config.digest).map_err(broken)?;
        let layers = found.layers.iter();
        let layers = layers.map(|one| descriptor(&one.media_type, &one.digest, one.size)).collect();
        Ok(Assembly {
            config: serde_json::from_slice(&config).map_err(|err| broken(err.into()))?,
            layers,
            blobs: found.layers.into_iter().map(|layer| layer.digest).collect(),
        })
    }

    /// Adds a layer, which `fill` writes as an archive.
    pub(crate) fn add_layer(
        &self,
        image: &mut Assembly,
        created_by: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let compressed = Compressed(self.0.blobs.incoming()?);
        // For this machine alone: speed before size
        let gzip = GzEncoder::new(compressed, Compression::fast());
        let mut out = Hashed { gzip, hash: Sha256::new() };
        fill(&mut out)?;
        let diff_id = Digest::from(out.hash);
        let incoming = out.gzip.finish()?.0;
        let size = incoming.size();
        let arrived = incoming.finish();
        let digest = arrived.digest.clone();
        self.0.blobs.keep(arrived)?;
        image.layers.push(descriptor(OCI_LAYER, &digest, size));
        image.blobs.push(digest);
        push(&mut image.config["rootfs"]["diff_ids"], diff_id.to_string().into());
        push(&mut image.config["history"], json!({ "created_by": created_by }));
        Ok(())
    }

    /// Puts the image into a repository, under the tag of its name; its digest.
    pub(crate) fn publish(&self, image: &Assembly, uri: &str) -> Result<String, ImageError> {
        let reference = self.own(uri)?;
        if Digest::parse(&reference.wanted).is_some() {
            return Err(ImageError::Invalid(uri.to_owned()));
        }
        let broken = |err: io::Error| ImageError::Broken(uri.to_owned(), err.to_string());
        let config = image.config.to_string();
        let digest = self.0.blobs.add(config.as_bytes()).map_err(broken)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": descriptor(OCI_CONFIG, &digest, config.len() as u64),
            "layers": image.layers,
        })
        .to_string();
        let linked = self.change(&reference.path, |repository| {
            repository.blobs.extend(image.blobs.iter().cloned());
            repository.blobs.insert(digest);
        });
        linked.map_err(broken)?;
        let (path, tag) = (&reference.path, Some(reference.wanted.as_str()));
        let pushed = self.put_manifest(path, tag, OCI_IMAGE, manifest.as_bytes());
        let pushed = pushed.map_err(|_| ImageError::Invalid(uri.to_owned()))?;
        Ok(pushed.to_string())
    }
}

/// `python:TAG`, `library/python:TAG`, `docker.io/library/python:TAG`
fn docker_hub(name: &str) -> Option<Reference> {
    let path = name.trim_start_matches("index.").trim_start_matches("docker.io/");
    let library = if path.contains('/') { "" } else { "library/" };
    let reference = Reference::parse(&format!("docker.io/{library}{path}"))?;
    let is_elsewhere = reference.path.split('/').next()?.contains(['.', ':']);
    (!is_elsewhere).then_some(reference)
}

/// Hashes what goes in, before it is compressed.
struct Hashed {
    gzip: GzEncoder<Compressed>,
    hash: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.gzip.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gzip.flush()
    }
}

struct Compressed(Incoming);

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        _ => *list = vec![item].into(),
    }
}
