//! One blob into a repository.
//!
//! Artifact Registry takes no blob in pieces (PATCH): an upload is one POST for
//! its place and one PUT with all of the content.

use transport::{HttpError, success};
use url::Url;

use super::Registry;
use super::call::{Call, Content, location};
use super::push::Push;
use crate::{Descriptor, Digest, Error};

/// How a blob came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Skipped,
    Mounted,
    Sent,
}

impl Way {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Mounted => "mounted",
            Self::Sent => "sent",
        }
    }
}

impl Registry {
    pub(super) fn has(&self, repository: &str, digest: &Digest) -> Result<bool, Error> {
        let call = Call::new("HEAD", self.url(repository, &format!("blobs/{digest}")));
        match self.expect(&call) {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Once, from the beginning: what an upload that broke off has sent is lost.
    pub(super) fn upload(
        &self,
        push: &Push,
        blob: &Descriptor,
        done: &(dyn Fn(u64) + Sync),
    ) -> Result<Way, Error> {
        let begin = self.begin_url(push, blob);
        let answer = self.expect(&Call::new("POST", begin.clone()))?;
        if answer.status() == 201 {
            done(blob.size);
            return Ok(Way::Mounted);
        }
        let place = location("POST", &begin, &answer)?;
        let mut url =
            Url::parse(&place).map_err(|error| HttpError::unreadable("POST", &begin, &error))?;
        url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let path = push.blobs.path(&blob.digest);
        let call = Call::new("PUT", url.into())
            .header("content-type", "application/octet-stream")
            .body(Content::File { path: &path, sent: done });
        match success("PUT", &call.url, self.send(&call)?) {
            Ok(_) => Ok(Way::Sent),
            // An answer that was lost, or somebody else who was faster.
            Err(error) if self.has(push.repository, &blob.digest).unwrap_or(false) => {
                log::debug!("{} is there in spite of: {error}", blob.digest);
                Ok(Way::Skipped)
            }
            Err(error) => Err(forgotten(&error).unwrap_or(error).into()),
        }
    }

    /// A registry that cannot mount the blob answers as if it had not been asked.
    fn begin_url(&self, push: &Push, blob: &Descriptor) -> String {
        let url = self.url(push.repository, "blobs/uploads/");
        match push.mount_from.filter(|from| *from != push.repository) {
            Some(from) => format!("{url}?mount={}&from={from}", blob.digest),
            None => url,
        }
    }
}

/// The upload's place is gone, not the repository: beginning anew helps.
fn forgotten(error: &HttpError) -> Option<HttpError> {
    let gone = matches!(error.status(), Some(404 | 416))
        || matches!(error.code(), Some("BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID"));
    let HttpError::Answer { method, url, .. } = error else { return None };
    gone.then(|| HttpError::no_answer(method, url, &format!("the upload was lost: {error}")))
}
