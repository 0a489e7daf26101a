//! Manifests: of one image, and of images for several platforms.

use serde::Deserialize;

use super::digest::Digest;
use super::error::Refusal;

pub(super) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    pub(super) os: String,
    pub(super) architecture: String,
}

#[derive(Debug, Clone)]
pub(super) enum Manifest {
    Image { config: Descriptor, layers: Vec<Descriptor> },
    Index { manifests: Vec<Descriptor> },
}

/// What both kinds have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    schema_version: u32,
    media_type: Option<String>,
}

#[derive(Deserialize)]
struct Image {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

impl Manifest {
    pub(super) fn parse(media_type: &str, content: &[u8]) -> Result<Self, Refusal> {
        let invalid = |err: serde_json::Error| Refusal::bad_manifest(err.to_string());
        let head: Head = serde_json::from_slice(content).map_err(invalid)?;
        if head.schema_version != 2 {
            let version = head.schema_version;
            return Err(Refusal::bad_manifest(format!("schema version {version} is not read")));
        }
        if head.media_type.as_deref().is_some_and(|inner| inner != media_type) {
            let message = format!("the manifest says that it is no '{media_type}'");
            return Err(Refusal::bad_manifest(message));
        }
        match media_type {
            OCI_IMAGE | DOCKER_IMAGE => {
                let image: Image = serde_json::from_slice(content).map_err(invalid)?;
                Ok(Self::Image { config: image.config, layers: image.layers })
            }
            OCI_INDEX | DOCKER_LIST => {
                let index: Index = serde_json::from_slice(content).map_err(invalid)?;
                Ok(Self::Index { manifests: index.manifests })
            }
            other => Err(Refusal::bad_manifest(format!("'{other}' is no kind of manifest"))),
        }
    }

    /// What must be in the repository before the manifest is.
    pub(super) fn blobs(&self) -> Vec<&Descriptor> {
        match self {
            Self::Image { config, layers } => {
                let layers = layers.iter().filter(|layer| !layer.is_foreign());
                std::iter::once(config).chain(layers).collect()
            }
            Self::Index { .. } => Vec::new(),
        }
    }

    pub(super) fn manifests(&self) -> &[Descriptor] {
        match self {
            Self::Image { .. } => &[],
            Self::Index { manifests } => manifests,
        }
    }
}

impl Descriptor {
    /// Layers that may not be given away stay where they came from.
    fn is_foreign(&self) -> bool {
        self.media_type.contains("nondistributable") || self.media_type.contains("foreign")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(media_type: &str, manifest: &Value) -> Result<Manifest, Refusal> {
        Manifest::parse(media_type, manifest.to_string().as_bytes())
    }

    fn descriptor(content: &[u8], media_type: &str) -> Value {
        let digest = Digest::of(content).to_string();
        json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
    }

    #[test]
    fn an_image_needs_its_config_and_the_layers_that_may_be_given_away() {
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let manifest = json!({
            "schemaVersion": 2, "config": descriptor(b"c", "a"),
            "layers": [descriptor(b"l", "b"), descriptor(b"f", foreign)],
        });
        for kind in [OCI_IMAGE, DOCKER_IMAGE] {
            let parsed = parse(kind, &manifest).unwrap();
            let digests: Vec<_> = parsed.blobs().iter().map(|blob| &blob.digest).cloned().collect();
            assert_eq!(digests, [Digest::of(b"c"), Digest::of(b"l")]);
        }
        assert!(parse(OCI_INDEX, &manifest).is_err());
    }

    #[test]
    fn what_is_refused() {
        let index = json!({ "schemaVersion": 2, "manifests": [] });
        assert!(parse(OCI_INDEX, &index).is_ok() && parse(DOCKER_LIST, &index).is_ok());
        for (kind, manifest) in [
            ("application/json", index.clone()),
            (OCI_INDEX, json!({ "schemaVersion": 1, "manifests": [] })),
            (OCI_INDEX, json!({ "schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [] })),
            (OCI_INDEX, json!({ "manifests": [] })),
            (OCI_INDEX, json!([])),
        ] {
            assert!(parse(kind, &manifest).is_err(), "{kind} {manifest}");
        }
    }
}
