//! The mark itself.

use gcp::storage::{Body, Insert, ObjectMeta};
use transport::Digest;

use super::MARK;
use crate::plan::Plan;
use crate::there::There;

/// The mark that an upload of one plan leaves.
#[derive(Debug)]
pub(crate) struct Mark {
    bucket: String,
    name: String,
    text: String,
    digest: Digest,
}

impl Mark {
    pub(crate) fn of(plan: &Plan) -> Self {
        let text = format!("aip-upload {}\n", plan.digest());
        let digest = Digest::of_bytes(text.as_bytes());
        Self { bucket: plan.bucket.clone(), name: format!("{}{MARK}", plan.prefix), text, digest }
    }

    /// Whoever's mark is there.
    pub(super) fn seen<'a>(&self, there: &'a There) -> Option<&'a ObjectMeta> {
        there.get(&self.name)
    }

    pub(super) fn is(&self, object: &ObjectMeta) -> bool {
        object.holds(self.digest.size, &self.digest.crc32c)
    }

    /// The request for it; `replaces` is the generation that is there, or 0.
    pub(crate) fn insert(&self, replaces: u64) -> Insert<'_> {
        Insert {
            bucket: &self.bucket,
            name: &self.name,
            content: Body::Bytes(self.text.as_bytes()),
            size: self.digest.size,
            crc32c: &self.digest.crc32c,
            replaces,
        }
    }
}
