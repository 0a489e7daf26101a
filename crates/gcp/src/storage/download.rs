//! Objects as streams.

use std::io::Read;

use transport::retry;

use super::{ObjectMeta, Storage};
use crate::Error;

impl Storage {
    /// The object's content from `offset` on. Pinned to the generation: what
    /// is read in several pieces is of one object.
    pub fn open(
        &self,
        bucket: &str,
        object: &ObjectMeta,
        offset: u64,
    ) -> Result<impl Read + Send + use<>, Error> {
        let url = self.object_url(bucket, &object.name);
        let generation = object.generation.to_string();
        let query = [("alt", "media"), ("generation", generation.as_str())];
        // An empty object has no byte at offset 0, so it gets no range.
        let range = (offset > 0).then(|| ("range", format!("bytes={offset}-")));
        let answer = retry(&self.policy, || self.plain("GET", &url, &query, range.as_slice()))?;
        Ok(answer.into_body().into_reader())
    }
}
