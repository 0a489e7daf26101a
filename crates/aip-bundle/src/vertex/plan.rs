//! How the image comes to be: settled before anything is resolved or fetched.

use std::path::PathBuf;
use std::sync::Arc;

use deployment::{Fetch, Spec};
use gcp::Credentials;
use stage::{Failure, Process, settings};

use super::args::{BuildWith, ImageArgs};
use super::base::{self, Origin};
use super::cache::Cache;
use super::error::Error;
use super::prebuilt::{self, Fit};
use super::runtime::Runtime;
use super::{CLOUD_BUILD, DOCKERFILE, LAYOUT, LOCK};
use crate::Args;
use crate::bundle::Bundle;
use crate::limits::Remark;
use crate::serving;
use crate::wheel::Wheel;

/// Google's own tools' default.
const REGION: &str = "us-central1";

#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) how: How,
    pub(super) runtime: Runtime,
    pub(super) embed_model: bool,
    pub(super) wants_expected: bool,
    /// `--lock` and `--upgrade`.
    pub(super) lock: Option<String>,
    pub(super) upgrade: bool,
    pub(super) cache: Cache,
    pub(super) credentials: Arc<Credentials>,
    /// Seconds since 1970.
    pub(super) created: u64,
}

#[derive(Debug)]
pub(super) enum How {
    Oci(Origin),
    CloudBuild(Origin),
    Existing {
        uri: String,
        predict_route: Option<String>,
        health_route: Option<String>,
        port: Option<u16>,
    },
    Prebuilt {
        fit: Fit,
        uri: String,
    },
}

impl How {
    /// The base of an image that is made from this bundle.
    pub(super) fn base(&self) -> Option<&Origin> {
        match self {
            Self::Oci(base) | Self::CloudBuild(base) => Some(base),
            Self::Existing { .. } | Self::Prebuilt { .. } => None,
        }
    }
}

impl Plan {
    pub(crate) fn new(
        args: &Args,
        fetched: &Fetch,
        spec: &mut Spec,
        bundle: &Bundle,
        remarks: &mut Vec<Remark>,
    ) -> Result<Self, Failure> {
        let image = &args.image;
        let how = how(image, fetched, spec, bundle, remarks)?;
        let makes = how.base().is_some();
        if makes {
            check_python(&bundle.python_version)?;
        }
        // An image that exists has its model, or gets it from the bucket.
        let is_prebuilt = matches!(how, How::Prebuilt { .. });
        let embed_model = !is_prebuilt && (image.embed_model || spec.bucket.is_none());
        if makes && embed_model && !image.embed_model {
            log::debug!("no bucket is set: the model goes into the image");
        }
        if makes && embed_model {
            bundle.model.is_here_for(if image.embed_model {
                "an image with the model in it"
            } else {
                "an image with the model in it, as no bucket is set,"
            })?;
        }
        if let How::Prebuilt { fit, .. } = &how
            && fit.must_be_read
        {
            let what = "the choice of a prebuilt container, for a model whose columns have names,";
            bundle.model.file_is_here_for(&fit.file, what)?;
        }
        let work_dir = settings::work_dir(args.work_dir.clone(), &mut spec.work_dir)?;
        let work_dir = std::path::absolute(&work_dir)
            .map_err(|source| Error::Write { path: work_dir, source })?;
        let requirements = &bundle.requirements.list;
        Ok(Self {
            how,
            runtime: Runtime::of(requirements, &fetched.flavors, image.full_mlflow),
            embed_model,
            wants_expected: !image.no_expected,
            lock: image.lock.clone(),
            upgrade: image.upgrade,
            cache: Cache::new(&work_dir.join("cache")),
            credentials: Arc::new(Credentials::new(
                image.access_token_file.as_ref().map(PathBuf::from),
            )),
            created: bundle.settled.created,
        })
    }

    pub(super) fn wheel<'a>(&'a self, bundle: &'a Bundle) -> Wheel<'a> {
        Wheel {
            name: crate::names::PACKAGE,
            version: &bundle.package_version,
            predictor: &bundle.predictor,
            requirements: &self.runtime.list,
            python_version: &bundle.python_version,
        }
    }

    /// A dry run asks neither uv nor a registry.
    pub(crate) fn would(&self, process: &Process, bundle: &Bundle) {
        let directory = bundle.directory().display();
        let write = |name: &str| process.would(&format!("write '{directory}/{name}'"));
        write(&format!("dist/{}", self.wheel(bundle).file_name()));
        let Some(base) = self.how.base() else {
            if let How::Existing { uri, .. } | How::Prebuilt { uri, .. } = &self.how {
                process.would(&format!("serve the model with the image '{uri}'"));
            }
            return;
        };
        match &self.lock {
            Some(path) => process.would(&format!("install what '{path}' says")),
            None => process.would(&format!(
                "resolve {} requirements for Python {} on linux/amd64",
                self.runtime.list.len(),
                bundle.python_version
            )),
        }
        write(LOCK);
        write(DOCKERFILE);
        write(CLOUD_BUILD);
        let model = if self.embed_model { " with the model in it" } else { "" };
        if matches!(self.how, How::Oci(_)) {
            process.would(&format!("make an image{model} on '{base}' in '{directory}/{LAYOUT}'"));
        } else {
            process.would(&format!("leave an image{model} on '{base}' to Cloud Build"));
        }
        if self.wants_expected && matches!(self.how, How::Oci(_)) {
            process.would("ask the model for its input example's predictions");
        }
    }
}

fn how(
    image: &ImageArgs,
    fetched: &Fetch,
    spec: &mut Spec,
    bundle: &Bundle,
    remarks: &mut Vec<Remark>,
) -> Result<How, Failure> {
    if let Some(uri) = &image.image {
        let reference: oci::Reference = uri.parse().map_err(oci::Error::from)?;
        for route in image.predict_route.iter().chain(&image.health_route) {
            check_route(route)?;
        }
        return Ok(How::Existing {
            uri: reference.to_string(),
            predict_route: image.predict_route.clone(),
            health_route: image.health_route.clone(),
            port: image.port,
        });
    }
    if image.prebuilt {
        let region = &mut spec.region;
        let region = settings::REGION.resolve(image.region.clone(), region, Some(REGION.into()))?;
        let own = spec.prediction_script.is_some();
        let fit = prebuilt::fit(fetched, &bundle.model, own).map_err(|reasons| {
            let failure = Failure::usage("no prebuilt container can serve this model");
            reasons
                .into_iter()
                .fold(failure, Failure::because)
                .hint("leave out --prebuilt: an image of its own serves it")
        })?;
        let message = "the prebuilt container takes rows of numbers: no signature, no parameters";
        remarks.push(Remark::warning(message));
        let uri = fit.uri(region.as_deref().unwrap_or(REGION));
        return Ok(How::Prebuilt { fit, uri });
    }
    let name = settings::BASE_IMAGE.resolve(
        image.base_image.clone(),
        &mut spec.vertex.base_image,
        Some(base::default_name()),
    )?;
    let origin = Origin::parse(&name.unwrap_or_default(), &bundle.python_version)?;
    match (image.builder, &origin) {
        (BuildWith::Oci, _) => Ok(How::Oci(origin)),
        (BuildWith::CloudBuild, Origin::Registry(_)) => Ok(How::CloudBuild(origin)),
        (BuildWith::CloudBuild, Origin::Layout(path)) => {
            Err(Error::LocalBase(path.display().to_string()).into())
        }
    }
}

fn check_route(route: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_graphic() && !"\"'\\?#".contains(c);
    if route.starts_with('/') && route.chars().all(plain) {
        return Ok(());
    }
    Err(Error::Route(route.into()))
}

/// Nothing is known of it before the model is here.
fn check_python(version: &str) -> Result<(), Error> {
    let minor = version.strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok());
    if version.is_empty() || minor.is_some_and(|minor| minor >= serving::OLDEST_MINOR) {
        return Ok(());
    }
    Err(Error::OldPython(version.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_that_the_server_runs_on() {
        assert!(check_python("3.7").is_ok() && check_python("").is_ok());
        assert!(check_python("3.6").is_err() && check_python("2.7").is_err());
    }

    #[test]
    fn routes() {
        assert!(check_route("/v1/models/m:predict").is_ok());
        for route in ["", "predict", "/a b", "/a?b"] {
            assert!(check_route(route).is_err(), "{route}");
        }
    }
}
