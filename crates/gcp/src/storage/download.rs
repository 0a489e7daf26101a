//! Objects as streams.

use std::io::{self, Read};
use std::ops::{Bound, RangeBounds};

use transport::{no_answer, retry};
use ureq::http::StatusCode;

use super::{ObjectMeta, Storage};
use crate::Error;

impl Storage {
    /// A part of the object's content. Pinned to the generation: what is read in
    /// several pieces is of one object.
    pub fn open(
        &self,
        bucket: &str,
        object: &ObjectMeta,
        part: impl RangeBounds<u64>,
    ) -> Result<Box<dyn Read + Send>, Error> {
        let url = self.object_url(bucket, &object.name);
        let generation = object.generation.to_string();
        let query = [("alt", "media"), ("generation", generation.as_str())];
        let start = match part.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match part.end_bound() {
            Bound::Included(last) => Some(last + 1),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => None,
        };
        let range = match end {
            Some(end) => Some(format!("bytes={start}-{}", end - 1)),
            // An empty object has no byte at offset 0, so it gets no range.
            None => (start > 0).then(|| format!("bytes={start}-")),
        };
        let range = range.map(|range| ("range", range));
        let answer = retry(&self.policy, || self.plain("GET", &url, &query, range.as_slice()))?;
        let is_part = answer.status() == StatusCode::PARTIAL_CONTENT;
        let mut content = answer.into_body().into_reader();
        if !is_part {
            // What stands between may know of no ranges: what is here already comes
            // again.
            let again = io::copy(&mut (&mut content).take(start), &mut io::sink());
            again.map_err(|source| no_answer("GET", &url, ureq::Error::Io(source)))?;
        }
        Ok(Box::new(content.take(end.map_or(u64::MAX, |end| end - start))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::stopping::service;
    use super::*;

    #[test]
    fn what_is_here_already_is_read_over_where_no_range_is_known() {
        let storage =
            service(|_| "200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\n123456789");
        let object =
            ObjectMeta { name: "n".into(), size: 9, crc32c: None, generation: 1, created: None };
        let mut content = String::new();
        storage.open("b", &object, 4..).unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, "56789");
        content.clear();
        storage.open("b", &object, 4..6).unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, "56");
    }
}
