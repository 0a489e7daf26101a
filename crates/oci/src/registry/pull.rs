//! Reading: which image a name means, and its blobs.

use std::io::{Read, Write as _};

use checksum::Hasher;
use transport::{HttpError, for_each, retry};

use super::Registry;
use super::call::{Call, content, header};
use crate::blobs::{Blobs, check};
use crate::{
    Descriptor, Digest, Error, Image, ImageConfig, Index, Manifest, Platform, Reference, media,
};

/// All that we can read, the newest first.
const ACCEPT: [&str; 4] =
    [media::INDEX, media::MANIFEST, media::DOCKER_INDEX, media::DOCKER_MANIFEST];

/// Blobs of an image that are fetched at the same time.
const JOBS: usize = 4;

/// What a name means at the moment.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The name with the digest of what the registry gives for it: an index's,
    /// where there is one.
    pub reference: Reference,
    /// The image for the platform.
    pub image: Image,
}

impl Registry {
    /// The image for this platform behind a name, every document checked.
    pub fn resolve(&self, reference: &Reference, platform: &Platform) -> Result<Resolved, Error> {
        let (digest, media_type, document) = self.manifest(reference, &reference.wanted())?;
        let pinned = reference.at(&digest);
        let (digest, media_type, document) = match media_type.as_str() {
            media::INDEX | media::DOCKER_INDEX => {
                let index: Index = parsed(&pinned, "an index", &document)?;
                let chosen = choose(&pinned, &index, platform)?;
                self.manifest(&pinned, &chosen.to_string())?
            }
            _ => (digest, media_type, document),
        };
        if ![media::MANIFEST, media::DOCKER_MANIFEST].contains(&media_type.as_str()) {
            return Err(Error::NotAnImage { reference: pinned.to_string(), media_type });
        }
        let manifest: Manifest = parsed(&pinned, "a manifest", &document)?;
        let config = self.small_blob(&pinned, &manifest.config)?;
        let config: ImageConfig = parsed(&pinned, "an image's configuration", &config)?;
        if !config.platform().is(platform) {
            let (wanted, offered) = (platform.to_string(), config.platform().to_string());
            return Err(Error::NoPlatform { reference: pinned.to_string(), wanted, offered });
        }
        let image = Image { digest, media_type, manifest, content: document, config };
        Ok(Resolved { reference: pinned, image })
    }

    /// The digest behind a name, where the registry has it.
    pub fn digest(&self, reference: &Reference) -> Result<Option<Digest>, Error> {
        match self.manifest(reference, &reference.wanted()) {
            Ok((digest, ..)) => Ok(Some(digest)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches those of the image's blobs that `to` does not have. `received`
    /// hears of bytes as they come in.
    pub fn pull(
        &self,
        resolved: &Resolved,
        to: &Blobs,
        received: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let blobs: Vec<_> =
            resolved.image.blobs().into_iter().filter(|blob| !to.has(blob)).collect();
        for_each(blobs, JOBS, |blob| self.blob(&resolved.reference, blob, to, received))?;
        Ok(())
    }

    /// Fetches one blob and checks it.
    pub fn blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        to: &Blobs,
        received: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        retry(&self.policy, || self.fetch(reference, blob, to, received))
    }

    fn fetch(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        to: &Blobs,
        received: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Error> {
        let url = self.url(&reference.repository, &format!("blobs/{}", blob.digest));
        let answer = self.expect(&Call::new("GET", url.clone()))?;
        // No more than was promised is written to the disk.
        let mut body = answer.into_body().into_reader().take(blob.size + 1);
        let mut new = to.create()?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let count = body
                .read(&mut buffer)
                .map_err(|error| HttpError::no_answer("GET", &url, &error))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            new.write_all(&buffer[..count])
                .map_err(|source| Error::Write { path: to.path(&blob.digest), source })?;
            received(count as u64);
        }
        let found = hasher.finish();
        if found.size < blob.size {
            let message = format!("the answer ended after {} of {} bytes", found.size, blob.size);
            return Err(HttpError::no_answer("GET", &url, &message).into());
        }
        check(&url, &blob.digest, found.into())?;
        new.keep(&blob.digest)
    }

    fn small_blob(&self, reference: &Reference, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        let url = self.url(&reference.repository, &format!("blobs/{}", blob.digest));
        let document = retry(&self.policy, || {
            let answer = self.expect(&Call::new("GET", url.clone()))?;
            Ok::<_, Error>(content("GET", &url, answer)?)
        })?;
        check(&url, &blob.digest, Digest::of(&document))?;
        Ok(document)
    }

    /// A manifest or an index: its digest, what it says it is, its bytes.
    pub(super) fn manifest(
        &self,
        reference: &Reference,
        wanted: &str,
    ) -> Result<(Digest, String, Vec<u8>), Error> {
        let url = self.url(&reference.repository, &format!("manifests/{wanted}"));
        let call = Call::new("GET", url.clone()).header("accept", ACCEPT.join(", "));
        retry(&self.policy, || {
            let answer = self.expect(&call)?;
            let said = header(&answer, "content-type").unwrap_or_default();
            let said = said.split(';').next().unwrap_or_default().trim().to_owned();
            let document = content("GET", &url, answer)?;
            let media_type =
                if ACCEPT.contains(&said.as_str()) { said } else { own(&document, said) };
            let digest = Digest::of(&document);
            if let Ok(expected) = wanted.parse() {
                check(&url, &expected, digest.clone())?;
            }
            Ok((digest, media_type, document))
        })
    }
}

/// What a document says it is, where the registry says nothing of use.
fn own(document: &[u8], said: String) -> String {
    let document: serde_json::Value = serde_json::from_slice(document).unwrap_or_default();
    document["mediaType"].as_str().map_or(said, str::to_owned)
}

fn choose(reference: &Reference, index: &Index, wanted: &Platform) -> Result<Digest, Error> {
    let platforms = || index.manifests.iter().filter_map(|one| Some((one, one.platform.as_ref()?)));
    if let Some((entry, _)) = platforms().find(|(_, platform)| platform.is(wanted)) {
        return Ok(entry.digest.clone());
    }
    // Build tools add entries for `unknown/unknown` that are no images.
    let offered = platforms().map(|(_, platform)| platform.to_string());
    let offered: Vec<_> = offered.filter(|name| !name.contains("unknown")).collect();
    let offered = if offered.is_empty() { "nothing".into() } else { offered.join(", ") };
    Err(Error::NoPlatform { reference: reference.to_string(), wanted: wanted.to_string(), offered })
}

fn parsed<T: serde::de::DeserializeOwned>(
    reference: &Reference,
    what: &'static str,
    document: &[u8],
) -> Result<T, Error> {
    serde_json::from_slice(document).map_err(|source| Error::Malformed {
        subject: reference.to_string(),
        what,
        source,
    })
}
