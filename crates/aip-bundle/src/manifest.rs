//! bundle.json: what the bundle is, and the digest of every file in it.

use std::io::{self, BufWriter, Write};

use checksum::{Digest, Hasher};
use deployment::{Builder, Fetch, File};
use serde::{Serialize, Serializer};

use crate::bundle::Bundle;
use crate::names::PACKAGE;
use crate::vertex::Part;

/// The version of bundle.json's shape. Within a version, fields are only added.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Nothing in it depends on where or when the bundle was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest<'a> {
    pub(crate) schema_version: u32,
    pub(crate) package: Package,
    pub(crate) prediction_class: String,
    pub(crate) python_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mlflow_version: Option<String>,
    /// Names of MLmodel's flavors, sorted.
    pub(crate) flavors: Vec<String>,
    pub(crate) requirements: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<Image>,
    /// Sorted by path, but for the packages, which come first.
    pub(crate) files: Vec<Entry<'a>>,
}

/// The container image, without the names of registries: mirrors have others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Image {
    pub(crate) builder: Builder,
    pub(crate) platform: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// The digest of the image it is built on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<String>,
    /// Of an image that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    pub(crate) embeds_model: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) predict_route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health_route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A file of the bundle, relative to its directory.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    pub(crate) path: Place<'a>,
    pub(crate) size: u64,
    /// Empty for a file of the model that stays in its bucket.
    pub(crate) sha256: &'a str,
    /// Of such a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) crc32c: Option<&'a str>,
}

/// Where the model's files lie.
const MODEL: &str = "model/";

/// A path, and the directory of the bundle that it is in.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'static str, &'a str);

impl Serialize for Place<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", self.0, self.1))
    }
}

pub(crate) fn describe<'a>(
    bundle: &'a Bundle,
    sdist: &'a File,
    fetched: &Fetch,
    part: Option<&'a Part>,
) -> Manifest<'a> {
    let entry = |directory: &'static str, file: &'a File| Entry {
        path: Place(directory, &file.path),
        size: file.size,
        sha256: &file.sha256,
        crc32c: (!file.is_here()).then_some(file.crc32c.as_str()),
    };
    let made = part
        .into_iter()
        .flat_map(|part| std::iter::once(&part.wheel).chain(&part.lock).chain(&part.sources));
    let mut files: Vec<_> =
        std::iter::once(sdist).chain(made).map(|file| entry("", file)).collect();
    let renamed = part.map(|part| part.model_files.as_slice()).unwrap_or_default();
    let model = bundle.model.files.iter().chain(renamed);
    files.extend(model.map(|file| entry(MODEL, file)));
    let mut flavors: Vec<_> = fetched.flavors.keys().cloned().collect();
    flavors.sort();
    Manifest {
        schema_version: SCHEMA_VERSION,
        package: Package { name: PACKAGE.into(), version: bundle.package_version.clone() },
        prediction_class: bundle.settled.prediction_class.clone(),
        python_version: bundle.python_version.clone(),
        mlflow_version: fetched.mlflow_version.clone(),
        flavors,
        requirements: bundle.requirements.texts(),
        image: part.map(image),
        files,
    }
}

fn image(part: &Part) -> Image {
    let image = part.image.clone();
    Image {
        builder: image.builder,
        platform: "linux/amd64",
        digest: image.digest,
        base: part.base_digest.clone(),
        uri: image.uri,
        embeds_model: image.embeds_model,
        predict_route: image.predict_route,
        health_route: image.health_route,
        port: image.port,
    }
}

impl Manifest<'_> {
    /// Not put together in memory: it names each file of the model.
    pub(crate) fn write(&self, to: impl Write) -> io::Result<()> {
        let mut to = BufWriter::new(to);
        serde_json::to_writer_pretty(&mut to, self)?;
        to.write_all(b"\n")?;
        to.flush()
    }

    pub(crate) fn digest(&self) -> io::Result<Digest> {
        let mut hasher = Hasher::default();
        self.write(&mut hasher)?;
        Ok(hasher.finish())
    }
}
