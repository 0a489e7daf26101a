//! An image that somebody else has made.

use std::sync::Arc;

use deployment::{Explain as _, Kind, PushedImage};
use gcp::Credentials;
use gcp::images::{self, Access};
use log::info;
use oci::{Error, Platform, Reference};
use stage::Failure;

use super::Done;
use super::push::pinned;

/// Looks whether it is there and runs on Vertex AI's machines, and pins it.
pub(super) fn check(credentials: Arc<Credentials>, reference: &Reference) -> Result<Done, Failure> {
    let registry = images::registry(&reference.host, credentials, Access::Read);
    match registry.resolve(reference, &Platform::linux_amd64()) {
        Ok(resolved) => {
            let digest = resolved.reference.digest.unwrap_or(resolved.image.digest);
            let image = pinned(reference, &digest);
            info!("the image is there: '{}'", image.uri);
            Ok(Done { image, ..Done::default() })
        }
        Err(error) if is_unreadable(&error) => Ok(unknown(reference, &error)),
        Err(error) => {
            let missing = error.status() == Some(404);
            let failure =
                Failure::from(error).context(format!("cannot use the image '{reference}'"));
            Err(if missing {
                failure.hint("choose another: aip-bundle --image URI")
            } else {
                failure
            })
        }
    }
}

/// Where this machine may not look, Vertex AI may.
fn is_unreadable(error: &Error) -> bool {
    matches!(error.status(), Some(401 | 403))
        || matches!(error, Error::NoCredential { .. })
        || error.kind() == Kind::Unavailable
}

fn unknown(reference: &Reference, error: &Error) -> Done {
    let message = format!("cannot look at the image '{reference}', so it is used unseen: {error}");
    let pin = "name it by digest, as HOST/PATH@sha256:…, so that it cannot change";
    let hint = reference.digest.is_none().then(|| pin.to_owned());
    Done { warnings: vec![(message, hint)], ..unchecked(reference) }
}

pub(super) fn unchecked(reference: &Reference) -> Done {
    let digest = reference.digest.as_ref().map(ToString::to_string);
    let image = PushedImage { uri: reference.to_string(), digest, ..PushedImage::default() };
    Done { image, ..Done::default() }
}
