//! What Cloud Build gets: the Dockerfile and the files that it copies, as they
//! lie in the bundle.

use std::path::Path;

use deployment::Bundle;
use oci::Archive;
use stage::Failure;

const DOCKERFILE: &str = "Dockerfile";

pub(super) fn archive(bundle: &Bundle, with_model: bool) -> Result<Archive, Failure> {
    let (Some(wheel), Some(lock)) = (&bundle.wheel, &bundle.lock) else {
        return Err(Failure::input("the document lacks stages.bundle.wheel or stages.bundle.lock")
            .hint("run aip-bundle --target vertex again"));
    };
    let mut archive = Archive::default();
    for path in [DOCKERFILE, wheel.path.as_str(), lock.path.as_str()] {
        let from = super::below(&bundle.directory, path)?;
        archive.bytes(path, read(&from)?).map_err(unusable)?;
    }
    if with_model {
        let model = Path::new(&bundle.model_directory);
        archive.tree("model", model, &|_| true).map_err(unusable)?;
    }
    Ok(archive)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::failed(format!("cannot read '{}'", path.display()))
            .cause(&error)
            .hint("run aip-bundle again")
    })
}

fn unusable(error: oci::Error) -> Failure {
    Failure::from(error).context("cannot pack what Cloud Build needs")
}
