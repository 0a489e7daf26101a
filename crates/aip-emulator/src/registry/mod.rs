//! An OCI registry (distribution specification 1.1), in the place of Artifact
//! Registry.

mod image;
mod reference;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use image::{Config, Image, ImageError, Layer};

use reference::Reference;

/// Repositories, their manifests and the blobs these are made of.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    /// `HOST:PORT` of the listener
    host: OnceLock<String>,
}

impl Registry {
    pub fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self(Arc::new(Inner { dir: dir.to_owned(), host: OnceLock::new() })))
    }

    /// Says where requests reach the emulator, once that is known.
    pub(crate) fn set_host(&self, host: String) {
        self.0.host.get_or_init(|| host);
    }

    /// The image that a URI names: `HOST/PATH[:TAG][@DIGEST]`, where the host
    /// is the emulator's own or one of Artifact Registry's.
    pub fn image(&self, uri: &str) -> Result<Image, ImageError> {
        let reference = Reference::parse(uri).ok_or_else(|| ImageError::Invalid(uri.to_owned()))?;
        let own = self.0.host.get().is_some_and(|host| *host == reference.host);
        if !own && !reference.host.ends_with("-docker.pkg.dev") {
            return Err(ImageError::Elsewhere(uri.to_owned()));
        }
        let _ = self.0.dir.join(&reference.path);
        Err(ImageError::NotFound(uri.to_owned()))
    }
}
