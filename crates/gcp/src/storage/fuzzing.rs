//! What is read from outside, as a fuzzer sees it.

use super::note::{Note, Upload};
use super::{Insert, ObjectMeta, object, resumable};

/// The objects on a page of a listing, and the next page's token.
pub fn listing(answer: &[u8]) -> Option<(Vec<ObjectMeta>, Option<String>)> {
    object::page("http://h", &serde_json::from_slice(answer).ok()?).ok()
}

/// Of a note that this upload would go on with: how far it got for sure, and at
/// most.
pub fn note(bytes: &[u8], insert: &Insert, now: u64) -> Option<(u64, u64)> {
    let note = Note::read(bytes, &Upload::new("http://h", insert), now)?;
    note.prefix();
    Some((note.offset, note.bound))
}

/// How many bytes of an upload the service says it has.
pub fn persisted(range: &str) -> u64 {
    resumable::persisted(range)
}
