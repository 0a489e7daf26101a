//! The image: base, dependencies, package and model, as an image layout.

use std::collections::BTreeMap;
use std::path::Path;

use oci::{Archive, Descriptor, History, Image, ImageConfig, Layer, Layout};
use serde_json::Value;
use stage::Failure;

use super::base::Base;
use crate::model::Model;
use crate::wheel::{Wheel, date};

/// Where our layers lie in the image.
const ROOT: &str = "opt/mlflow-aip";

/// nobody, on Debian and elsewhere.
pub(super) const USER: &str = "65534:65534";

/// The routes and the port of the server.
pub(super) const PREDICT: &str = "/predict";
pub(super) const HEALTH: &str = "/health";
pub(super) const PORT: u16 = 8080;

/// What is run, in the image and in the Dockerfile.
pub(super) fn entrypoint() -> [String; 2] {
    ["python3".into(), format!("/{ROOT}/app/{}", crate::serving::PACKAGE)]
}

/// Environment variables of the image, besides the base's.
pub(super) fn environment(prediction_class: &str) -> [(&'static str, String); 2] {
    [
        ("MLFLOW_AIP_PREDICTION_CLASS", prediction_class.to_owned()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
    ]
}

/// What the image is made from.
#[derive(Debug)]
pub(super) struct Recipe<'a> {
    pub(super) base: &'a Base,
    pub(super) dependencies: &'a Layer,
    /// The cache that the dependencies' layer is in.
    pub(super) cache: &'a oci::Blobs,
    pub(super) wheel: &'a Wheel<'a>,
    pub(super) model: &'a Model<'a>,
    pub(super) embed_model: bool,
    pub(super) prediction_class: &'a str,
    /// As the service calls them.
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// Seconds since 1970.
    pub(super) created: u64,
}

impl Recipe<'_> {
    /// Writes it into a directory of its own.
    pub(super) fn write(&self, directory: &Path) -> Result<Image, Failure> {
        let layout = Layout::new(directory);
        let blobs = layout.blobs();
        let mut layers = Vec::new();
        for layer in &self.base.image.manifest.layers {
            blobs.link(&self.base.blobs, layer)?;
            layers.push(layer.clone().as_oci());
        }
        let mut config = self.config();
        blobs.link(self.cache, &self.dependencies.descriptor)?;
        add(&mut config, &mut layers, self.dependencies.clone(), "requirements.lock");
        let package = self.package()?.layer(blobs)?;
        add(&mut config, &mut layers, package, &self.wheel.file_name());
        if self.embed_model {
            let model = self.model_files()?.layer(blobs)?;
            add(&mut config, &mut layers, model, "model");
        }
        Ok(layout.write(&config, layers, BTreeMap::new(), Some(self.version))?)
    }

    fn package(&self) -> Result<Archive, Failure> {
        let mut archive = Archive::default();
        for (path, content) in self.wheel.modules() {
            archive.bytes(&format!("{ROOT}/app/{path}"), content)?;
        }
        Ok(archive)
    }

    fn model_files(&self) -> Result<Archive, Failure> {
        let mut archive = Archive::default();
        for file in self.model.files.iter() {
            let from = self.model.directory.join(&file.path);
            archive.file(&format!("{ROOT}/model/{}", file.path), &from)?;
        }
        Ok(archive)
    }

    /// The base's, with what is ours in place of what it runs.
    fn config(&self) -> ImageConfig {
        let mut config = self.base.image.config.clone();
        config.created = Some(rfc3339(self.created));
        let container = &mut config.config;
        container.user = Some(USER.into());
        container.entrypoint = Some(entrypoint().into());
        container.cmd = None;
        let ports = container.exposed_ports.get_or_insert_default();
        ports.insert(format!("{PORT}/tcp"), Value::Object(serde_json::Map::new()));
        let env = container.env.get_or_insert_default();
        for (name, value) in environment(self.prediction_class) {
            env.retain(|line| !line.starts_with(&format!("{name}=")));
            env.push(format!("{name}={value}"));
        }
        let label = |name: &str, value: &str| {
            (format!("org.opencontainers.image.{name}"), value.to_owned())
        };
        let base = self.base.image.digest.to_string();
        let labels = container.labels.get_or_insert_default();
        labels.extend([
            label("title", self.name),
            label("version", self.version),
            label("base.digest", &base),
        ]);
        config
    }
}

fn add(config: &mut ImageConfig, layers: &mut Vec<Descriptor>, layer: Layer, what: &str) {
    layers.push(layer.descriptor);
    config.rootfs.diff_ids.push(layer.diff_id);
    // A history tells of every layer or is none.
    if !config.history.is_empty() || layers.len() == 1 {
        config.history.push(History {
            created: config.created.clone(),
            created_by: Some(format!("aip-bundle: {what}")),
            ..History::default()
        });
    }
}

fn rfc3339(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_700_000_000), "2023-11-14T22:13:20Z");
    }
}
