//! Writing: the blobs that are missing, then the manifest.

use transport::{for_each, retry};

use super::Registry;
use super::call::{Call, Content};
use super::upload::Way;
use crate::blobs::Blobs;
use crate::{Descriptor, Digest, Error, Image, Reference};

/// What goes where.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    pub image: &'a Image,
    /// Where its blobs are.
    pub blobs: &'a Blobs,
    pub repository: &'a str,
    pub tag: &'a str,
    /// A repository of the same registry that holds some of the blobs.
    pub mount_from: Option<&'a str>,
    /// Blobs that are sent at the same time.
    pub jobs: usize,
}

/// What the registry lacks of an image.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    pub blobs: Vec<Descriptor>,
    manifest: bool,
    tag: bool,
    /// Where the tag points now, if it is elsewhere.
    pub replaces: Option<Digest>,
}

impl Missing {
    pub fn is_nothing(&self) -> bool {
        !self.tag
    }

    /// Bytes of the missing blobs.
    pub fn size(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.size).sum()
    }
}

/// What a push has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    pub sent: usize,
    /// Taken over from another repository of the registry.
    pub mounted: usize,
    /// There already.
    pub skipped: usize,
    pub bytes: u64,
}

impl Registry {
    /// Asks what is missing; sends nothing.
    pub fn missing(&self, push: &Push) -> Result<Missing, Error> {
        let digest = &push.image.digest;
        let tagged = self.digest(&self.reference(push, Some(push.tag), None))?;
        if tagged.as_ref() == Some(digest) {
            // A registry takes no manifest whose blobs it does not have.
            return Ok(Missing::default());
        }
        let replaces = tagged;
        if self.digest(&self.reference(push, None, Some(digest)))?.is_some() {
            return Ok(Missing { tag: true, replaces, ..Missing::default() });
        }
        let asked = for_each(push.image.blobs(), push.jobs, |blob| {
            let there = retry(&self.policy, || self.has(push.repository, &blob.digest))?;
            Ok::<_, Error>((!there).then(|| blob.clone()))
        })?;
        Ok(Missing {
            blobs: asked.into_iter().flatten().collect(),
            manifest: true,
            tag: true,
            replaces,
        })
    }

    /// Sends what is missing, the manifest last: whoever finds it finds all.
    /// `done` hears of bytes as they go out, or need not.
    pub fn push(
        &self,
        push: &Push,
        missing: &Missing,
        done: &(dyn Fn(u64) + Sync),
    ) -> Result<Pushed, Error> {
        let mut blobs: Vec<_> = missing.blobs.iter().collect();
        // The largest first, so that none is left to go alone.
        blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
        let ways = for_each(blobs, push.jobs, |blob| {
            let way = retry(&self.policy, || self.upload(push, blob, done))?;
            log::debug!("{} {}", way.word(), blob.digest);
            Ok::<_, Error>((way, blob.size))
        })?;
        let mut pushed =
            Pushed { skipped: push.image.blobs().len() - missing.blobs.len(), ..Pushed::default() };
        for (way, size) in ways {
            match way {
                Way::Skipped => pushed.skipped += 1,
                Way::Mounted => pushed.mounted += 1,
                Way::Sent => {
                    pushed.sent += 1;
                    pushed.bytes += size;
                }
            }
        }
        if missing.manifest {
            self.put_manifest(push, &push.image.digest.to_string())?;
        }
        if missing.tag {
            self.put_manifest(push, push.tag)?;
        }
        Ok(pushed)
    }

    fn put_manifest(&self, push: &Push, name: &str) -> Result<(), Error> {
        let url = self.url(push.repository, &format!("manifests/{name}"));
        let call = Call::new("PUT", url)
            .header("content-type", &push.image.media_type)
            .body(Content::Bytes(&push.image.content));
        retry(&self.policy, || self.expect(&call).map(drop))
    }

    fn reference(&self, push: &Push, tag: Option<&str>, digest: Option<&Digest>) -> Reference {
        Reference {
            host: self.host.clone(),
            repository: push.repository.into(),
            tag: tag.map(str::to_owned),
            digest: digest.cloned(),
        }
    }
}
