//! What is written into the bundle, and what the document says of it.

use checksum::Digest;
use deployment::{Builder, File, Image};
use stage::Failure;

use super::dockerfile::{CLOUD_BUILD_TEXT, Dockerfile};
use super::image::{HEALTH, PORT, PREDICT, Recipe};
use super::made::Made;
use super::plan::{How, Plan};
use super::{CLOUD_BUILD, DOCKERFILE, EXPECTED, LAYOUT, LOCK, base};
use crate::bundle::Bundle;
use crate::directory::Draft;

/// What a layout has besides its blobs.
const LAYOUT_PATHS: [&str; 5] = ["", "blobs", "blobs/sha256", "index.json", "oci-layout"];

/// The part of a bundle that is Vertex AI's.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) wheel: File,
    pub(crate) lock: Option<File>,
    pub(crate) image: Image,
    /// Not what decides the bundle: another machine may round differently.
    pub(crate) expected: Option<File>,
    /// Files of the model under names that a container looks for.
    pub(crate) model_files: Vec<File>,
    /// Files that the image is built from, elsewhere.
    pub(crate) sources: Vec<File>,
    /// The digest of the base alone, whatever it is called.
    pub(crate) base_digest: Option<String>,
}

impl Plan {
    pub(crate) fn write(
        &self,
        made: &Made,
        bundle: &Bundle,
        draft: &Draft,
    ) -> Result<Part, Failure> {
        let mut part = Part { image: self.image(), ..Part::default() };
        let wheel = self.wheel(bundle);
        let path = format!("dist/{}", wheel.file_name());
        let content = wheel
            .build(bundle.settled.mtime)
            .map_err(|error| Failure::failed(format!("cannot pack '{path}'")).cause(&error))?;
        part.wheel = write(draft, &path, &content)?;
        if let Some(lock) = &made.lock {
            part.lock = Some(write(draft, LOCK, lock.as_bytes())?);
            let sources = self.write_sources(made, bundle, draft)?;
            // Only where they are what the image is made from.
            if matches!(self.how, How::CloudBuild(_)) {
                part.sources = sources;
            }
        }
        part.image.base.clone_from(&made.base_name);
        if let Some((base, dependencies)) = &made.image {
            let recipe = Recipe {
                base,
                dependencies,
                cache: &self.cache.blobs,
                wheel: &wheel,
                model: &bundle.model,
                embed_model: self.embed_model,
                prediction_class: &bundle.settled.prediction_class,
                name: &bundle.settled.model,
                version: &bundle.settled.version,
                created: self.created,
            };
            let image = recipe.write(&draft.path().join(LAYOUT))?;
            draft.open(&LAYOUT_PATHS.map(|path| format!("{LAYOUT}/{path}")))?;
            let digest = base.digest().to_string();
            part.image.base.get_or_insert_with(|| digest.clone());
            part.base_digest = Some(digest);
            part.image.digest = Some(image.digest.to_string());
            part.image.size = Some(image.manifest.size());
        }
        if let Some(expected) = &made.expected {
            part.expected = Some(write(draft, EXPECTED, expected.as_bytes())?);
        }
        part.model_files = self.rename_model_file(bundle, draft)?;
        Ok(part)
    }

    fn write_sources(
        &self,
        made: &Made,
        bundle: &Bundle,
        draft: &Draft,
    ) -> Result<Vec<File>, Failure> {
        let default = base::default_name().replace("{python}", &bundle.python_version);
        let wheel = self.wheel(bundle).file_name();
        let dockerfile = Dockerfile {
            base: made.base_name.as_deref().unwrap_or(&default),
            wheel: &wheel,
            embed_model: self.embed_model,
            prediction_class: &bundle.settled.prediction_class,
        };
        Ok(vec![
            write(draft, DOCKERFILE, dockerfile.render()?.as_bytes())?,
            write(draft, CLOUD_BUILD, CLOUD_BUILD_TEXT.as_bytes())?,
        ])
    }

    /// MLmodel names its file; a container looks for a name of its own. Both are
    /// the same file, so both find what they look for.
    fn rename_model_file(&self, bundle: &Bundle, draft: &Draft) -> Result<Vec<File>, Failure> {
        let How::Prebuilt { fit, .. } = &self.how else { return Ok(Vec::new()) };
        let files = &bundle.model.files;
        let found = files.iter().find(|file| file.path == fit.file && file.path != fit.wanted);
        let Some(found) = found else { return Ok(Vec::new()) };
        // One that was left in Cloud Storage is copied there, under this name as well.
        if found.is_here() {
            draft.link_model_file(&found.path, fit.wanted)?;
        }
        Ok(vec![File { path: fit.wanted.into(), ..found.clone() }])
    }

    /// As far as it is known beforehand.
    fn image(&self) -> Image {
        let served = Image {
            predict_route: Some(PREDICT.into()),
            health_route: Some(HEALTH.into()),
            port: Some(PORT),
            embeds_model: self.embed_model,
            base: self.how.base().map(ToString::to_string),
            ..Image::default()
        };
        match &self.how {
            How::Oci(_) => Image { builder: Builder::Oci, layout: Some(LAYOUT.into()), ..served },
            How::CloudBuild(_) => Image { builder: Builder::CloudBuild, ..served },
            How::Existing { uri, predict_route, health_route, port } => Image {
                builder: Builder::Existing,
                uri: Some(uri.clone()),
                predict_route: predict_route.clone(),
                health_route: health_route.clone(),
                port: *port,
                embeds_model: self.embed_model,
                ..Image::default()
            },
            How::Prebuilt { uri, .. } => {
                Image { builder: Builder::Prebuilt, uri: Some(uri.clone()), ..Image::default() }
            }
        }
    }

    /// What a dry run can say: no digests but for the wheel's.
    pub(crate) fn dry(&self, bundle: &Bundle) -> Part {
        let path = format!("dist/{}", self.wheel(bundle).file_name());
        let makes = self.how.base().is_some();
        Part {
            wheel: File { path, ..File::default() },
            lock: makes.then(|| File { path: LOCK.into(), ..File::default() }),
            image: self.image(),
            ..Part::default()
        }
    }
}

fn write(draft: &Draft, path: &str, content: &[u8]) -> Result<File, Failure> {
    draft.write(path, content)?;
    let Digest { size, sha256, crc32c } = Digest::of_bytes(content);
    Ok(File { path: path.into(), size, sha256, crc32c, ..File::default() })
}
