//! `multipart/related` as Google's clients write it.
//!
//! More lenient than RFC 2046, because the clients are: lines may end in a
//! bare LF (then a CR before a delimiter belongs to the content), the boundary
//! may be quoted with ' as well as ", and a part may have no headers.

use bytes::{Buf as _, BytesMut};
use memchr::memmem;

use super::content::Pieces;
use crate::error::ApiError;

/// The headers of a part, or a delimiter line, are not longer than this.
const MAX_LINE: usize = 16 * 1024;

/// The boundary in a `Content-Type` of `multipart/related`.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    // A quoted boundary may itself hold a semicolon
    let lower = parameters.to_ascii_lowercase();
    let at = lower.find("boundary=")? + "boundary=".len();
    let value = parameters[at..].trim_start();
    let found = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split(';').next()?.trim_end(),
    };
    Some(found).filter(|found| !found.is_empty())
}

/// The content of the first part, if the beginning of a body has all of it.
pub(crate) async fn first_part(beginning: Vec<u8>, boundary: &str) -> Option<Vec<u8>> {
    let mut parts = Multipart::new(Pieces::new(beginning.into()), boundary);
    parts.next_part().await.ok()??;
    parts.small_content(usize::MAX).await.ok()
}

pub(super) struct Multipart {
    pieces: Pieces,
    buffer: BytesMut,
    /// `--boundary`
    delimiter: Vec<u8>,
    /// The line end and the delimiter, once the first line shows how lines end
    between: Vec<u8>,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Content,
    AfterDelimiter,
    End,
}

impl Multipart {
    pub(super) fn new(pieces: Pieces, boundary: &str) -> Self {
        let delimiter = format!("--{boundary}").into_bytes();
        let (buffer, between) = (BytesMut::new(), Vec::new());
        Self { pieces, buffer, delimiter, between, at: At::Start }
    }

    /// Goes to the next part and gives its `Content-Type` ("" if it has
    /// none); `None` when there are no more parts. The content of the part
    /// before must have been read.
    pub(super) async fn next_part(&mut self) -> Result<Option<String>, ApiError> {
        match self.at {
            At::Start => self.first_delimiter().await?,
            At::AfterDelimiter => self.rest_of_delimiter().await?,
            At::Content => return Err(malformed("a part was not read")),
            At::End => {}
        }
        if self.at == At::End {
            return Ok(None);
        }
        let mut content_type = String::new();
        loop {
            let line = self.line().await?;
            let line = line.trim_ascii_end();
            if line.is_empty() {
                break;
            }
            let header = String::from_utf8_lossy(line);
            if let Some((name, value)) = header.split_once(':')
                && name.trim().eq_ignore_ascii_case("content-type")
            {
                value.trim().clone_into(&mut content_type);
            }
        }
        self.at = At::Content;
        // An empty part may leave out the line end before its delimiter
        self.fill(self.delimiter.len()).await?;
        if self.buffer.starts_with(&self.delimiter) {
            let mut line_end = self.between.clone();
            line_end.truncate(self.between.len() - self.delimiter.len());
            line_end.extend_from_slice(&self.buffer);
            self.buffer = BytesMut::from(line_end.as_slice());
        }
        Ok(Some(content_type))
    }

    /// The next piece of the part's content; `None` at its end.
    pub(super) async fn content(&mut self) -> Result<Option<BytesMut>, ApiError> {
        while self.at == At::Content {
            // Two bytes more, which tell a delimiter from content like it
            let wanted = self.between.len() + 2;
            if let Some(found) = memmem::find(&self.buffer, &self.between) {
                if found > 0 {
                    return Ok(Some(self.buffer.split_to(found)));
                }
                self.fill(wanted).await?;
                if self.ends_delimiter(self.between.len()) {
                    self.buffer.advance(self.between.len());
                    self.at = At::AfterDelimiter;
                } else {
                    return Ok(Some(self.buffer.split_to(1)));
                }
            } else if self.buffer.len() >= wanted {
                let safe = self.buffer.len() - self.between.len() + 1;
                return Ok(Some(self.buffer.split_to(safe)));
            } else if !self.more().await? {
                return Err(malformed("the closing delimiter is missing"));
            }
        }
        Ok(None)
    }

    /// The whole content of a part that must be small.
    pub(super) async fn small_content(&mut self, max: usize) -> Result<Vec<u8>, ApiError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.content().await? {
            whole.extend_from_slice(&piece);
            if whole.len() > max {
                return Err(malformed("the metadata is too large"));
            }
        }
        Ok(whole)
    }

    /// Reads what is left of the request.
    pub(super) async fn drain(mut self) -> Result<(), ApiError> {
        while self.pieces.next().await?.is_some() {}
        Ok(())
    }

    /// Skips a preamble and learns how lines end.
    async fn first_delimiter(&mut self) -> Result<(), ApiError> {
        loop {
            let line = self.line().await?;
            let Some(rest) = line.strip_prefix(self.delimiter.as_slice()) else { continue };
            let rest = rest.trim_ascii_end();
            if rest.is_empty() {
                let line_end: &[u8] = if line.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
                self.between = [line_end, &self.delimiter].concat();
                return Ok(());
            }
            if rest == b"--" {
                self.at = At::End;
                return Ok(());
            }
        }
    }

    async fn rest_of_delimiter(&mut self) -> Result<(), ApiError> {
        self.fill(2).await?;
        if self.buffer.starts_with(b"--") {
            self.at = At::End;
            return Ok(());
        }
        self.line().await.map(drop)
    }

    /// What comes after a delimiter is the end, or white space and a line end.
    fn ends_delimiter(&self, at: usize) -> bool {
        match self.buffer.get(at..).unwrap_or_default() {
            [b'-', b'-', ..] => true,
            [first, ..] => first.is_ascii_whitespace(),
            [] => false,
        }
    }

    /// A line with its end.
    async fn line(&mut self) -> Result<BytesMut, ApiError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                return Ok(self.buffer.split_to(end + 1));
            }
            if self.buffer.len() > MAX_LINE || !self.more().await? {
                return Err(malformed("a delimiter or a header line is missing"));
            }
        }
    }

    /// Buffers at least `wanted` bytes, or all there are.
    async fn fill(&mut self, wanted: usize) -> Result<(), ApiError> {
        while self.buffer.len() < wanted && self.more().await? {}
        Ok(())
    }

    async fn more(&mut self) -> Result<bool, ApiError> {
        let piece = self.pieces.next().await?;
        self.buffer.extend_from_slice(piece.as_deref().unwrap_or_default());
        Ok(piece.is_some())
    }
}

fn malformed(what: &str) -> ApiError {
    ApiError::storage(400, "badRequest", format!("Malformed multipart body: {what}."))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::stream;

    use super::*;

    /// The parts of a body that arrives `step` bytes at a time.
    async fn parts(body: &[u8], step: usize) -> Result<Vec<(String, Vec<u8>)>, ApiError> {
        let pieces: Vec<_> = body.chunks(step).map(|c| Ok::<_, axum::Error>(c.to_vec())).collect();
        let body = Body::from_stream(stream::iter(pieces));
        let mut multipart = Multipart::new(Pieces::new(body), "B");
        let mut parts = Vec::new();
        while let Some(content_type) = multipart.next_part().await? {
            parts.push((content_type, multipart.small_content(usize::MAX).await?));
        }
        multipart.drain().await?;
        Ok(parts)
    }

    /// Whatever the network cuts a body into, the parts are the same.
    async fn check(body: &[u8], expected: &[(&str, &[u8])]) {
        for step in 1..=body.len() {
            let found = parts(body, step).await.unwrap_or_else(|err| panic!("{step}: {err:?}"));
            let found: Vec<_> = found.iter().map(|(t, c)| (t.as_str(), c.as_slice())).collect();
            assert_eq!(found, expected, "in steps of {step}");
        }
    }

    #[tokio::test]
    async fn as_the_standard_has_it() {
        let body = b"preamble\r\n--B\r\nContent-Type: application/json\r\nX: y\r\n\r\n{}\r\n\
                     --B\r\ncontent-type:text/plain\r\n\r\na\r\nb\r\n--B--\r\nepilogue";
        check(body, &[("application/json", b"{}"), ("text/plain", b"a\r\nb")]).await;
    }

    #[tokio::test]
    async fn bare_line_feeds() {
        let body = b"--B\nContent-Type: a/b\n\n{}\n--B\n\ncontent\r\n--B--";
        // A CR before the delimiter's LF is content
        check(body, &[("a/b", b"{}"), ("", b"content\r")]).await;
    }

    #[tokio::test]
    async fn parts_without_headers_or_content() {
        check(b"--B\r\n\r\n{}\r\n--B\r\n\r\n\r\n--B--\r\n", &[("", b"{}"), ("", b"")]).await;
        check(b"--B\r\nA: b\r\n\r\n--B\r\n\r\nx\r\n--B--", &[("", b""), ("", b"x")]).await;
    }

    #[tokio::test]
    async fn content_that_looks_like_a_delimiter() {
        let content = b"--B\r\n-\r\n--Bx\r\n--\r\n--C--\n--B--\r\r\n";
        let body = [b"--B\r\n\r\n \r\n--B \r\n\r\nx", &content[..], b"\r\n--B--"].concat();
        let media = [b"x", &content[..]].concat();
        check(&body, &[("", b" "), ("", &media)]).await;
    }

    #[tokio::test]
    async fn truncated_bodies_are_refused() {
        let whole = b"--B\r\n\r\n{}\r\n--B\r\n\r\nmedia\r\n--B--";
        for length in 0..whole.len() {
            assert!(parts(&whole[..length], 5).await.is_err(), "{length}");
        }
    }

    #[test]
    fn boundaries() {
        let cases = [
            ("multipart/related; boundary=abc", Some("abc")),
            ("multipart/related; boundary=\"a=;b\"; type=x", Some("a=;b")),
            ("Multipart/Related;BOUNDARY='===1=='", Some("===1==")),
            ("multipart/related; type=x; boundary=a", Some("a")),
            ("multipart/related", None),
            ("multipart/related; boundary=", None),
            ("multipart/form-data; boundary=abc", None),
        ];
        for (content_type, expected) in cases {
            assert_eq!(boundary(content_type), expected, "{content_type}");
        }
    }
}
