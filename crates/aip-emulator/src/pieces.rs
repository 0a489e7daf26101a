//! Files as the bodies of answers, whole or in part.

use std::io::SeekFrom;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// How much of a file is read at a time.
const PIECE: usize = 256 * 1024;

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Range {
    All,
    Part { first: u64, length: u64 },
    Outside,
}

impl Range {
    /// One range of bytes; anything else is ignored, as RFC 9110 allows.
    pub(crate) fn parse(header: &str, size: u64) -> Self {
        let Some((first, last)) = header.strip_prefix("bytes=").and_then(|r| r.split_once('-'))
        else {
            return Self::All;
        };
        let (first, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => (first, size.min(last.saturating_add(1))),
            (Ok(first), Err(_)) if last.is_empty() => (first, size),
            (Err(_), Ok(0)) if first.is_empty() => return Self::Outside,
            (Err(_), Ok(suffix)) if first.is_empty() => (size.saturating_sub(suffix), size),
            _ => return Self::All,
        };
        if first < end { Self::Part { first, length: end - first } } else { Self::Outside }
    }
}

pub(crate) fn pieces(
    file: File,
    first: u64,
    length: u64,
) -> impl Stream<Item = std::io::Result<Bytes>> {
    let start = async move |mut file: File| {
        file.seek(SeekFrom::Start(first)).await?;
        Ok::<_, std::io::Error>(file.take(length))
    };
    stream::try_unfold((Some(file), None), move |(file, reader)| async move {
        let mut reader = match (file, reader) {
            (Some(file), _) => start(file).await?,
            (None, Some(reader)) => reader,
            (None, None) => return Ok(None),
        };
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = reader.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), (None, Some(reader)))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |first, length| Range::Part { first, length };
        let cases = [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 3)),
            ("bytes=8-99", part(8, 2)),
            ("bytes=0-18446744073709551615", part(0, 10)),
            ("bytes=7-", part(7, 3)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-99", part(0, 10)),
            ("bytes=10-", Range::Outside),
            ("bytes=10-12", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=4-2", Range::All),
            ("bytes=a-b", Range::All),
            ("bytes=0-1,3-4", Range::All),
            ("lines=0-1", Range::All),
        ];
        for (header, expected) in cases {
            assert_eq!(Range::parse(header, 10), expected, "{header}");
        }
        assert_eq!(Range::parse("bytes=0-", 0), Range::Outside);
    }
}
