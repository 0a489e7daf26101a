//! An image that aip-bundle has made, from its layout.

use std::path::Path;
use std::sync::Arc;

use deployment::{Extra, Image, PushedImage};
use gcp::Credentials;
use gcp::images::{self, Access};
use log::info;
use oci::{Layout, Push, Pushed, Reference};
use serde_json::json;
use stage::{Failure, Process};

use super::Done;
use super::refusal::explained;

/// More at the same time make nothing faster: an image has few layers.
const MOST_JOBS: usize = 8;

pub(super) fn push(
    process: &Process,
    credentials: Arc<Credentials>,
    image: &Image,
    layout: &Path,
    to: &Reference,
    jobs: usize,
) -> Result<Done, Failure> {
    let (layout, content) = read(image, layout)?;
    let registry = images::registry(&to.host, credentials, Access::Write);
    let base = image.base.as_deref().and_then(|base| base.parse::<Reference>().ok());
    let base = base.filter(|base| base.host == to.host);
    let push = Push {
        image: &content,
        blobs: layout.blobs(),
        repository: &to.repository,
        tag: to.tag.as_deref().unwrap_or("latest"),
        mount_from: base.as_ref().map(|base| base.repository.as_str()),
        jobs: jobs.min(MOST_JOBS),
    };
    let missing = registry.missing(&push).map_err(|error| explained(error, to))?;
    let progress = process.progress(format!("to {}", to.name()), missing.size());
    let pushed = registry
        .push(&push, &missing, &|sent| progress.advance(sent))
        .map_err(|error| explained(error, to))?;
    drop(progress);
    let done = done(to, &content.digest, pushed);
    if missing.is_nothing() {
        info!("the image is there already: '{}'", done.image.uri);
    } else {
        info!(
            "{} of {} blobs of the image sent ({} bytes), {} mounted: '{}'",
            pushed.sent,
            content.blobs().len(),
            pushed.bytes,
            pushed.mounted,
            done.image.uri
        );
    }
    if let Some(before) = &missing.replaces {
        info!("the tag '{}' has moved from {before}, which stays", push.tag);
    }
    Ok(done)
}

/// The image, which must be the one that the document is about.
fn read(image: &Image, directory: &Path) -> Result<(Layout, oci::Image), Failure> {
    let layout = Layout::new(directory);
    let content = layout.read().map_err(|error| {
        Failure::from(error).context(format!("cannot read the image in '{}'", directory.display()))
    })?;
    match &image.digest {
        Some(digest) if *digest != content.digest.to_string() => {
            let (shown, found) = (directory.display(), &content.digest);
            let message = format!("'{shown}' holds image {found}, the document says {digest}");
            Err(Failure::failed(message).hint("run aip-bundle again"))
        }
        _ => Ok((layout, content)),
    }
}

fn done(to: &Reference, digest: &oci::Digest, pushed: Pushed) -> Done {
    let mut notes = Extra::new();
    notes.insert("blobsSent".into(), json!(pushed.sent));
    notes.insert("blobsMounted".into(), json!(pushed.mounted));
    notes.insert("blobsSkipped".into(), json!(pushed.skipped));
    notes.insert("imageBytesSent".into(), json!(pushed.bytes));
    Done { image: pinned(to, digest), notes, ..Done::default() }
}

pub(super) fn pinned(to: &Reference, digest: &oci::Digest) -> PushedImage {
    let uri = to.at(digest).to_string();
    PushedImage { uri, digest: Some(digest.to_string()), extra: Extra::new() }
}

/// Says what would be sent; asks nobody. The bundle may be as dry.
pub(super) fn dry(
    process: &Process,
    image: &Image,
    layout: &Path,
    to: &Reference,
) -> Result<Done, Failure> {
    let url = format!("{}/v2/{}", to.root(), to.repository);
    // An older bundle's may lie there.
    let is_ours = image.digest.is_some() && layout.join("index.json").is_file();
    let there = is_ours.then(|| read(image, layout)).transpose()?;
    if there.is_none() {
        process.would(&format!("send the layers of the image to {url}, unless they are there"));
    }
    if let Some((_, content)) = &there {
        for blob in content.blobs() {
            let (digest, size) = (&blob.digest, blob.size);
            process.would(&format!(
                "POST {url}/blobs/uploads/ and PUT {digest} ({size} bytes), unless it is there"
            ));
        }
    }
    process.would(&format!("PUT {url}/manifests/{}", to.wanted()));
    let digest = image.digest.as_deref().and_then(|digest| digest.parse().ok());
    let digest = digest.or_else(|| there.map(|(_, content)| content.digest));
    let image = match digest {
        Some(digest) => pinned(to, &digest),
        None => PushedImage { uri: to.to_string(), ..PushedImage::default() },
    };
    Ok(Done { image, ..Done::default() })
}
