//! The vocabulary of Cloud Storage's own testbench, and a little more.

use std::time::Duration;

use serde::Serialize;

/// How long the testbench stalls where it is not told.
const STALL: Duration = Duration::from_secs(10);

/// One fault, for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) text: String,
    pub(super) fault: Fault,
    /// How many bytes pass before it strikes; none: before the request is read
    pub(super) after: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `return-503`: answers with this status
    Status(u16),
    /// `return-reset-connection`
    Reset,
    /// `return-broken-stream`: the answer breaks off
    BreakStream,
    /// `return-broken-stream-final-chunk-after-YB`: the answer to the last chunk
    /// of a resumable upload is short, and its length says that this is all
    ShortAnswer,
    /// `return-corrupted-data`: the first byte of the answer is another
    Corrupt,
    /// `stall-for-10s`: then goes on as if nothing had happened
    Stall(Duration),
}

impl Instruction {
    /// `FAULT[-final-chunk][-after-N{K|B}]`
    pub(super) fn parse(text: &str) -> Option<Self> {
        let stall = |after| Self { text: text.to_owned(), fault: Fault::Stall(STALL), after };
        match text {
            "stall-always" => return Some(stall(None)),
            "stall-at-256KiB" => return Some(stall(Some(256 * 1024))),
            _ => {}
        }
        let (head, after) = match text.split_once("-after-") {
            Some((head, after)) => (head, Some(bytes(after)?)),
            None => (text, None),
        };
        let fault = if let Some(rest) = head.strip_prefix("stall-for-") {
            Fault::Stall(Duration::from_secs(rest.strip_suffix('s')?.parse().ok()?))
        } else {
            match head.strip_prefix("return-")? {
                "reset-connection" => Fault::Reset,
                "broken-stream" => Fault::BreakStream,
                "broken-stream-final-chunk" => Fault::ShortAnswer,
                "corrupted-data" => Fault::Corrupt,
                code => Fault::Status(code.parse().ok().filter(|code| (400..600).contains(code))?),
            }
        };
        Some(Self { text: text.to_owned(), fault, after })
    }

    /// As a header of one request alone has it. `/retry-N` is how often the
    /// client has tried before; from the third time on nothing happens.
    pub(super) fn of_header(text: &str) -> Option<Self> {
        let (text, tries) = match text.split_once("/retry-") {
            Some((text, tries)) => (text, tries.parse().ok()?),
            None => (text, 0),
        };
        let instruction = Self::parse(text).filter(|_| tries < 3)?;
        let after = match instruction.fault {
            Fault::BreakStream => instruction.after.or(Some(1024 * 1024)),
            _ => instruction.after,
        };
        Some(Self { after, ..instruction })
    }
}

fn bytes(text: &str) -> Option<u64> {
    match (text.strip_suffix('K'), text.strip_suffix('B')) {
        (Some(kib), _) => kib.parse::<u64>().ok()?.checked_mul(1024),
        (_, Some(bytes)) => bytes.parse().ok(),
        _ => None,
    }
}

impl Serialize for Instruction {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary() {
        let cases = [
            ("return-503", Fault::Status(503), None),
            ("return-503-after-256K", Fault::Status(503), Some(256 * 1024)),
            ("return-reset-connection", Fault::Reset, None),
            ("return-reset-connection-after-1K", Fault::Reset, Some(1024)),
            ("return-broken-stream", Fault::BreakStream, None),
            ("return-broken-stream-after-2K", Fault::BreakStream, Some(2048)),
            ("return-broken-stream-final-chunk-after-9B", Fault::ShortAnswer, Some(9)),
            ("return-corrupted-data", Fault::Corrupt, None),
            ("stall-always", Fault::Stall(STALL), None),
            ("stall-at-256KiB", Fault::Stall(STALL), Some(256 * 1024)),
            ("stall-for-1s-after-256K", Fault::Stall(Duration::from_secs(1)), Some(256 * 1024)),
            ("stall-for-3600s", Fault::Stall(Duration::from_secs(3600)), None),
        ];
        for (text, fault, after) in cases {
            let expected = Instruction { text: text.into(), fault, after };
            assert_eq!(Instruction::parse(text), Some(expected), "{text}");
        }
        for bad in ["", "return-", "return-200", "return-x", "stall-for-1", "return-503-after-1M"] {
            assert_eq!(Instruction::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn headers_know_how_often_it_was_tried() {
        let after = |text| Instruction::of_header(text).map(|found| found.after);
        assert_eq!(after("return-broken-stream"), Some(Some(1024 * 1024)));
        assert_eq!(after("return-503-after-256K/retry-2"), Some(Some(256 * 1024)));
        assert_eq!(after("return-503-after-256K/retry-3"), None);
        assert_eq!(after("return-503-after-256K/retry-x"), None);
    }
}
