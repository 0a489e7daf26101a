//! The parsers that take a stranger's bytes, as a fuzzer sees them.

use axum::body::Body;
use futures_util::stream;

use super::content::Pieces;
use super::multipart::Multipart;
use super::range::ContentRange;

/// What a `Content-Range` says.
#[derive(Debug)]
pub struct Range {
    pub first: u64,
    pub length: Option<u64>,
    pub end: Option<u64>,
    pub total: Option<u64>,
}

pub fn content_range(header: &str) -> Option<Range> {
    let range = ContentRange::parse(header)?;
    let total = range.total();
    range.is_ragged(total);
    Some(Range { first: range.first(), length: range.length(), end: range.end(), total })
}

/// The parts of a body that arrives `step` bytes at a time, by type and content.
pub async fn multipart(body: &[u8], boundary: &str, step: usize) -> Option<Vec<(String, Vec<u8>)>> {
    let pieces: Vec<_> = body.chunks(step).map(|c| Ok::<_, axum::Error>(c.to_vec())).collect();
    let pieces = Pieces::new(Body::from_stream(stream::iter(pieces)));
    let mut multipart = Multipart::new(pieces, boundary);
    let mut parts = Vec::new();
    while let Some(content_type) = multipart.next_part().await.ok()? {
        parts.push((content_type, multipart.small_content(usize::MAX).await.ok()?));
    }
    Some(parts)
}
