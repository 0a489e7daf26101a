//! The `Content-Range` of a request to a resumable session.

/// Chunks but the last are multiples of this.
pub(super) const QUANTUM: u64 = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentRange {
    /// No header: the whole object
    Whole,
    /// `bytes FIRST-LAST/TOTAL`
    Chunk { first: u64, last: u64, total: Option<u64> },
    /// `bytes */TOTAL`: no content, only the question how far it is
    Status { total: Option<u64> },
}

impl ContentRange {
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
        let total = match total {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        if range == "*" {
            return Some(Self::Status { total });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        // What ends at the last number there is could not be counted.
        let counts = first <= last && last < u64::MAX && total.is_none_or(|total| last < total);
        counts.then_some(Self::Chunk { first, last, total })
    }

    pub(super) fn first(self) -> u64 {
        match self {
            Self::Chunk { first, .. } => first,
            Self::Whole | Self::Status { .. } => 0,
        }
    }

    /// How many bytes the request must bring, if the header says so.
    pub(super) fn length(self) -> Option<u64> {
        match self {
            Self::Whole => None,
            Self::Chunk { first, last, .. } => Some(last - first + 1),
            Self::Status { .. } => Some(0),
        }
    }

    pub(super) fn total(self) -> Option<u64> {
        match self {
            Self::Whole => None,
            Self::Chunk { total, .. } | Self::Status { total } => total,
        }
    }

    /// Where the object would end after this request, if the header says so.
    pub(super) fn end(self) -> Option<u64> {
        match self {
            Self::Chunk { last, .. } => Some(last + 1),
            Self::Whole | Self::Status { .. } => None,
        }
    }

    /// A chunk that is not the last must be made of whole quanta.
    pub(super) fn is_ragged(self, total: Option<u64>) -> bool {
        match self {
            Self::Chunk { first, last, .. } => {
                total != Some(last + 1) && !(last - first + 1).is_multiple_of(QUANTUM)
            }
            Self::Whole | Self::Status { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write() {
        let chunk = |first, last, total| ContentRange::Chunk { first, last, total };
        let cases = [
            ("bytes 0-9/10", Some(chunk(0, 9, Some(10)))),
            ("bytes 0-262143/*", Some(chunk(0, 262_143, None))),
            ("bytes */10", Some(ContentRange::Status { total: Some(10) })),
            ("bytes */*", Some(ContentRange::Status { total: None })),
            ("bytes=0-9/10", None),
            ("bytes 9-0/10", None),
            ("bytes 0-10/10", None),
            ("bytes -1-3/10", None),
            ("bytes 0-9", None),
            ("bytes 0-18446744073709551615/*", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(ContentRange::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn only_the_last_chunk_may_be_ragged() {
        let ragged = |header| {
            let range = ContentRange::parse(header).unwrap();
            range.is_ragged(range.total())
        };
        assert!(!ragged("bytes 0-262143/262145"));
        assert!(!ragged("bytes 262144-262144/262145"));
        assert!(ragged("bytes 0-99/262145"));
        assert!(ragged("bytes 0-99/*"));
        assert!(!ragged("bytes 0-524287/*"));
    }
}
