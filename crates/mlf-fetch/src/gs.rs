//! Cloud Storage as a source of files.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use deployment::Explain;
use gcp::Credentials;
use gcp::storage::{ObjectMeta, Storage};
use mlflow::Error;
use mlflow::source::ahead::{Ahead, PART, Turn};
use mlflow::source::{Entry, Opened, Resume, Source};
use transport::Transient as _;

pub(crate) struct Gs {
    storage: Storage,
    /// Who reads content takes it up again, so it is asked for once.
    content: Arc<Storage>,
    bucket: String,
    /// Ends in a slash, unless the model is the whole bucket.
    prefix: String,
}

impl Gs {
    pub(crate) fn new(access_token_file: Option<PathBuf>, bucket: &str, prefix: &str) -> Self {
        let credentials = Arc::new(Credentials::new(access_token_file));
        let storage = || Storage::new(gcp::storage_endpoint(), credentials.clone());
        Self {
            storage: storage(),
            content: Arc::new(storage().asking_once()),
            bucket: bucket.into(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
        }
    }
}

impl Source for Gs {
    fn list(&self) -> Result<Vec<Entry>, Error> {
        let what = || format!("cannot list 'gs://{}/{}'", self.bucket, self.prefix);
        let objects =
            self.storage.list(&self.bucket, &self.prefix).map_err(|e| failed(what(), e))?;
        if objects.is_empty() {
            return Err(Error::Missing {
                message: format!("there is nothing at 'gs://{}/{}'", self.bucket, self.prefix),
                hint: Some(format!("gcloud storage ls gs://{}/ shows what is", self.bucket)),
            });
        }
        // The console makes an object for each folder, with a slash at its end.
        let files = objects.into_iter().filter(|object| !object.name.ends_with('/'));
        Ok(files
            .map(|object| Entry {
                path: object.name.strip_prefix(&self.prefix).unwrap_or(&object.name).into(),
                size: Some(object.size),
                crc32c: object.crc32c.map(|sum| sum.to_string()),
                revision: Some(object.generation.to_string()),
            })
            .collect())
    }

    /// Pinned to the listed generation, so every attempt reads the same bytes.
    fn open(&self, entry: &Entry, resume: Option<&Resume>) -> Result<Opened, Error> {
        let object = ObjectMeta {
            name: format!("{}{}", self.prefix, entry.path),
            size: entry.size.unwrap_or_default(),
            crc32c: None,
            generation: entry
                .revision
                .as_deref()
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            created: None,
        };
        let offset = resume.map_or(0, |resume| resume.offset);
        let content = self.content(object, offset);
        let content =
            content.map_err(|error| failed(format!("cannot download '{}'", entry.path), error))?;
        Ok(Opened { content, offset, validator: entry.revision.clone() })
    }
}

impl Gs {
    /// A large object comes over several connections.
    fn content(&self, object: ObjectMeta, offset: u64) -> Result<Box<dyn Read + Send>, gcp::Error> {
        let (storage, bucket, end) = (self.content.clone(), self.bucket.clone(), object.size);
        let Some(turn) = Turn::take(end.saturating_sub(offset)) else {
            return storage.open(&bucket, &object, offset..);
        };
        let first = storage.open(&bucket, &object, offset..offset + PART)?;
        let part = move |part| storage.open(&bucket, &object, part).map_err(io::Error::other);
        Ok(Box::new(Ahead::new(turn, offset..end, first, part)))
    }
}

fn failed(what: String, source: gcp::Error) -> Error {
    let (kind, hint, retry_after) = (source.kind(), source.hint(), source.retry_after());
    Error::Source { what, kind, hint, retry_after, source: Box::new(source) }
}
