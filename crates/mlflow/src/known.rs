//! A file that came once: what it was listed as, and what came.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::path::Path;

use deployment::File;
use serde::{Deserialize, Serialize};
use transport::Digest;

use crate::source::{Entry, Source};

/// Written down beside a model's directory, in the cache, and while files come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    #[serde(flatten)]
    pub file: File,
    /// As in [`Entry`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What the store called the content when it sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<String>,
}

impl Known {
    /// Whether the listing and the store both say that this is what is there
    /// now. Whoever cannot tell counts as a no.
    pub(crate) fn is_still(&self, entry: &Entry, source: &dyn Source) -> bool {
        let agrees = |listed: &Option<String>, known: Option<&String>| {
            listed.as_ref().is_none_or(|listed| known == Some(listed))
        };
        self.file.path == entry.path
            && entry.size.is_none_or(|size| size == self.file.size)
            && agrees(&entry.crc32c, Some(&self.file.crc32c))
            && agrees(&entry.revision, self.revision.as_ref())
            && source.is_still(entry, self.validator.as_deref())
    }

    /// Whether a file on this machine has just this content: it is read whole.
    pub(crate) fn is_in(&self, path: &Path) -> bool {
        let regular = std::fs::symlink_metadata(path);
        regular.is_ok_and(|found| found.is_file() && found.len() == self.file.size)
            && std::fs::File::open(path)
                .and_then(Digest::of)
                .is_ok_and(|digest| digest.sha256 == self.file.sha256)
    }
}

/// One of many that are found by their path. Boxed: it goes as soon as it is taken.
#[derive(Debug)]
pub(crate) struct ByPath(pub(crate) Box<Known>);

impl From<Known> for ByPath {
    fn from(known: Known) -> Self {
        Self(Box::new(known))
    }
}

impl Borrow<str> for ByPath {
    fn borrow(&self) -> &str {
        &self.0.file.path
    }
}

impl Hash for ByPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.file.path.hash(state);
    }
}

impl PartialEq for ByPath {
    fn eq(&self, other: &Self) -> bool {
        self.0.file.path == other.0.file.path
    }
}

impl Eq for ByPath {}

/// What tells one model from another before any of its files but MLmodel came.
/// MLmodel holds the model's own id and time: other model, other bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The server and the place there.
    pub place: String,
    /// SHA-256 of MLmodel.
    pub mlmodel: String,
}

impl Identity {
    pub fn new(place: String, mlmodel: &[u8]) -> Self {
        Self { place, mlmodel: Digest::of_bytes(mlmodel).sha256 }
    }
}
