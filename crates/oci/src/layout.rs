//! An image as a directory: `oci-layout`, `index.json`, `blobs/`.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use crate::blobs::Blobs;
use crate::error::Error;
use crate::{Descriptor, Digest, ImageConfig, Index, Manifest, media};

/// Where tools look for the tag of an image in an index.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A directory with one image in it.
#[derive(Clone, Debug)]
pub struct Layout {
    directory: PathBuf,
    blobs: Blobs,
}

/// An image's two documents, parsed and as they are stored.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest's: what the image is known by.
    pub digest: Digest,
    pub media_type: String,
    pub manifest: Manifest,
    /// The manifest's bytes, which the digest is of.
    pub content: Vec<u8>,
    pub config: ImageConfig,
}

impl Image {
    /// The configuration and the layers, each once.
    pub fn blobs(&self) -> Vec<&Descriptor> {
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in std::iter::once(&self.manifest.config).chain(&self.manifest.layers) {
            if !blobs.iter().any(|known| known.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        blobs
    }
}

impl Layout {
    /// One to be filled: the layers' blobs first, then [`Layout::write`].
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), blobs: Blobs::new(directory) }
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Writes the image's documents; the layers must be among the blobs.
    pub fn write(
        &self,
        config: &ImageConfig,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
        tag: Option<&str>,
    ) -> Result<Image, Error> {
        for layer in &layers {
            self.expect(layer)?;
        }
        let stored = self.blobs.add(media::CONFIG, &bytes(config))?;
        let manifest = Manifest::new(stored, layers, annotations);
        let content = bytes(&manifest);
        let mut entry = self.blobs.add(media::MANIFEST, &content)?;
        let digest = entry.digest.clone();
        entry.platform = Some(config.platform());
        entry.annotations.extend(tag.map(|tag| (REF_NAME.into(), tag.into())));
        let index = Index {
            schema_version: 2,
            media_type: Some(media::INDEX.into()),
            manifests: vec![entry],
            extra: serde_json::Map::new(),
        };
        self.put("oci-layout", &bytes(&json!({"imageLayoutVersion": "1.0.0"})))?;
        self.put("index.json", &bytes(&index))?;
        let media_type = media::MANIFEST.into();
        Ok(Image { digest, media_type, manifest, content, config: config.clone() })
    }

    /// The image that is there: its documents checked, its layers by their size.
    pub fn read(&self) -> Result<Image, Error> {
        let not_a_layout = || Error::NotALayout { path: self.directory.clone() };
        let path = self.directory.join("index.json");
        let text = fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => not_a_layout(),
            _ => Error::Read { path: path.clone(), source },
        })?;
        let malformed = |source| Error::Malformed {
            subject: path.display().to_string(),
            what: "the index of a layout",
            source,
        };
        let index: Index = serde_json::from_slice(&text).map_err(malformed)?;
        let entry = index.manifests.into_iter().next().ok_or_else(not_a_layout)?;
        let (manifest, content): (Manifest, _) =
            self.blobs.read_json(&entry.digest, "a manifest")?;
        let (config, _) = self.blobs.read_json(&manifest.config.digest, "a configuration")?;
        let Descriptor { digest, media_type, .. } = entry;
        let image = Image { digest, media_type, manifest, content, config };
        for blob in image.blobs() {
            self.expect(blob)?;
        }
        Ok(image)
    }

    fn expect(&self, blob: &Descriptor) -> Result<(), Error> {
        let path = self.blobs.path(&blob.digest);
        let found =
            fs::metadata(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        if found.len() == blob.size {
            return Ok(());
        }
        let subject = path.display().to_string();
        Err(Error::Size { subject, expected: blob.size, found: found.len() })
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.directory.join(name);
        let put = || {
            fs::write(&path, content)?;
            fs::set_permissions(&path, Permissions::from_mode(0o644))
        };
        put().map_err(|source| Error::Write { path: path.clone(), source })
    }
}

/// The documents' bytes are what digests are of: one spelling, no white space.
fn bytes(document: &impl Serialize) -> Vec<u8> {
    // Maps with string keys alone: there is nothing that JSON could not hold.
    serde_json::to_vec(document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Platform;

    fn filled(directory: &Path) -> (Layout, Image) {
        let layout = Layout::new(directory);
        let layer = layout.blobs().add(media::LAYER, b"layer").unwrap();
        let mut config = ImageConfig::new(&Platform::linux_amd64());
        config.rootfs.diff_ids.push(Digest::of(b"unpacked"));
        let image =
            layout.write(&config, vec![layer.clone(), layer], BTreeMap::new(), Some("v1")).unwrap();
        (layout, image)
    }

    #[test]
    fn written_and_read() {
        let scratch = tempfile::tempdir().unwrap();
        let (layout, image) = filled(scratch.path());
        let read = layout.read().unwrap();
        assert_eq!((&read.digest, &read.content), (&image.digest, &image.content));
        assert_eq!(read.config, image.config);
        assert_eq!((image.blobs().len(), image.manifest.layers.len()), (2, 2));
        let index = fs::read_to_string(scratch.path().join("index.json")).unwrap();
        assert!(index.contains(r#""org.opencontainers.image.ref.name":"v1""#), "{index}");
        // Whoever changes the spelling of the documents changes every digest.
        assert_eq!(
            image.digest.to_string(),
            "sha256:b9c05b7809a87617329e5a34f45ee4cbd613f984a7c7f655aa5d76e18750dfaf"
        );
    }

    #[test]
    fn what_is_broken_is_not_read() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(matches!(Layout::new(scratch.path()).read(), Err(Error::NotALayout { .. })));
        let (layout, image) = filled(scratch.path());
        let layer = layout.blobs().path(&image.manifest.layers[0].digest);
        fs::remove_file(&layer).unwrap();
        assert!(matches!(layout.read(), Err(Error::Read { .. })));
        fs::write(&layer, b"other one").unwrap();
        assert!(matches!(layout.read(), Err(Error::Size { expected: 5, found: 9, .. })));
    }
}
