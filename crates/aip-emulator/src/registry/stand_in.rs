//! A stand-in for the base image `library/python:X.Y-slim`.
//!
//! The emulator cannot bring Docker Hub along. It offers an image under the
//! same name, with the same environment, that has no Python in it: what is
//! built on it is laid out as the real thing is, and is run on this machine's
//! Python. The bytes are the same wherever they are made.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::Registry;
use super::digest::Digest;
use super::manifest::{OCI_IMAGE, OCI_INDEX};

/// Images made on a stand-in inherit it.
pub(super) const LABEL: &str = "mlflow-aip.stand-in";

const REPOSITORY: &str = "library/python";
pub(super) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What the real image is made for, as far as anyone here looks.
const ARCHITECTURES: &[&str] = &["amd64", "arm64"];

impl Registry {
    /// Makes the stand-in, if that is what is wanted and nothing is there
    /// under its name.
    pub(super) fn offer_stand_in(&self, name: &str, wanted: &str) -> io::Result<()> {
        let Some(python) = python_version(wanted).filter(|_| name == REPOSITORY) else {
            return Ok(());
        };
        let is_there =
            self.read().get(name).is_some_and(|repository| repository.find(wanted).is_some());
        if is_there { Ok(()) } else { self.make_stand_in(wanted, python) }
    }

    fn make_stand_in(&self, tag: &str, python: &str) -> io::Result<()> {
        let tar = layer(python)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(4));
        io::Write::write_all(&mut gzip, &tar)?;
        let compressed = gzip.finish()?;
        let layer = self.0.blobs.add(&compressed)?;
        let mut blobs = vec![layer.clone()];
        let (mut manifests, mut entries) = (Vec::new(), Vec::new());
        for architecture in ARCHITECTURES {
            let config = config(python, architecture, &Digest::of(&tar)).to_string();
            let config_digest = self.0.blobs.add(config.as_bytes())?;
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": OCI_IMAGE,
                "config": descriptor(OCI_CONFIG, &config_digest, config.len() as u64),
                "layers": [descriptor(OCI_LAYER, &layer, compressed.len() as u64)],
            })
            .to_string();
            let digest = self.0.blobs.add(manifest.as_bytes())?;
            let mut entry = descriptor(OCI_IMAGE, &digest, manifest.len() as u64);
            entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
            entries.push(entry);
            blobs.push(config_digest);
            manifests.push(digest);
        }
        let index =
            json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries }).to_string();
        let index = self.0.blobs.add(index.as_bytes())?;
        self.change(REPOSITORY, |repository| {
            repository.blobs.extend(blobs);
            for manifest in manifests {
                repository.manifests.insert(manifest, OCI_IMAGE.to_owned());
            }
            repository.manifests.insert(index.clone(), OCI_INDEX.to_owned());
            repository.tags.insert(tag.to_owned(), index);
        })
    }
}

/// The `3.11` of `3.11-slim`.
fn python_version(tag: &str) -> Option<&str> {
    let version = tag.strip_suffix("-slim")?;
    let (major, minor) = version.split_once('.')?;
    let is_number = |text: &str| {
        (1..=2).contains(&text.len())
            && text.bytes().all(|c| c.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    (major == "3" && is_number(minor)).then_some(version)
}

pub(super) fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

fn config(python: &str, architecture: &str, diff_id: &Digest) -> Value {
    let mut labels = serde_json::Map::new();
    labels.insert(LABEL.to_owned(), "true".into());
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": [
                "PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8",
                format!("PYTHON_VERSION={python}"),
            ],
            "Cmd": ["python3"],
            "Labels": labels,
        },
        "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] },
        "history": [{
            "created": "1970-01-01T00:00:00Z",
            "created_by": "aip-emulator",
            "comment": "a stand-in without a Python",
        }],
    })
}

/// One file, which says what this is.
fn layer(python: &str) -> io::Result<Vec<u8>> {
    let text = format!(
        "This image stands in for docker.io/library/python:{python}-slim in aip-emulator.\n\
         There is no Python in it, nor anything else. What is built on it is run by the\n\
         emulator on the Python {python} of its own machine; nowhere else does it run at all.\n"
    );
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    tar.append_data(&mut header, "README.stand-in", text.as_bytes())?;
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(python_version("3.11-slim"), Some("3.11"));
        assert_eq!(python_version("3.7-slim"), Some("3.7"));
        for bad in ["3.11", "3-slim", "latest", "3.011-slim", "2.7-slim", "3.x-slim", "3.11.2-slim"]
        {
            assert_eq!(python_version(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_same_bytes_each_time_and_nothing_for_other_names() {
        let digests: Vec<_> = (0..2)
            .map(|_| {
                let dir = tempfile::tempdir().unwrap();
                let registry = Registry::open(dir.path()).unwrap();
                assert!(registry.manifest("library/node", "3.11-slim").is_err());
                let first = registry.manifest(REPOSITORY, "3.11-slim").ok().unwrap().digest;
                let again = registry.manifest(REPOSITORY, "3.11-slim").ok().unwrap().digest;
                assert_eq!(first, again);
                first
            })
            .collect();
        assert_eq!(digests[0], digests[1]);
    }
}
