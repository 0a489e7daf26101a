//! What an answer with a file's content, or a part of it, is worth.

use std::io::{self, Read};
use std::time::Duration;

use ureq::Body;
use ureq::http::header::{CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED};
use ureq::http::{HeaderMap, Response, StatusCode};

use crate::source::{Opened, Resume};

/// What was asked for, or the whole file from a server that does not know
/// ranges or has other content by now; nothing if it is another part of a file.
pub(super) fn opened(response: Response<Body>, resume: Option<&Resume>) -> Option<Opened> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Some(whole(response));
    }
    let resume = resume?;
    let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    // Not every store heeds If-Range.
    let now = validator_of(&response);
    let fits =
        range.and_then(begins) == Some(resume.offset) && now.as_ref() == Some(&resume.validator);
    fits.then(|| Opened {
        offset: resume.offset,
        validator: Some(resume.validator.clone()),
        content: Box::new(response.into_body().into_reader()),
    })
}

/// Where in the file a `Content-Range` begins.
pub fn begins(range: &str) -> Option<u64> {
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

pub(super) fn whole(response: Response<Body>) -> Opened {
    Opened {
        offset: 0,
        validator: validator_of(&response),
        content: Box::new(response.into_body().into_reader()),
    }
}

/// Whether a file is as new as the answer. MLflow copies what lies in a remote
/// store for each answer: what it calls that copy is over with it.
pub(super) fn is_copy(headers: &HeaderMap) -> bool {
    let date = |name| httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok();
    let (Some(changed), Some(now)) = (date(LAST_MODIFIED), date(DATE)) else { return false };
    now.duration_since(changed).is_ok_and(|age| age <= Duration::from_secs(1))
}

/// A connection serves the next request once the answer before was read to its
/// end: the byte that was asked for. A whole file is not worth it.
pub(super) fn finish(response: Response<Body>) {
    if response.status() == StatusCode::PARTIAL_CONTENT {
        // A connection that breaks now is of no use, and no loss.
        _ = io::copy(&mut response.into_body().into_reader().take(2), &mut io::sink());
    }
}

/// What `If-Range` takes: an ETag that promises the same bytes, or a date that
/// was long over when the answer was made.
pub(super) fn validator_of(response: &Response<Body>) -> Option<String> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(etag) = header(ETAG) {
        return Some(etag.to_owned()).filter(|etag| etag.starts_with('"'));
    }
    let (changed, now) = (header(LAST_MODIFIED)?, header(DATE)?);
    let age = httpdate::parse_http_date(now).ok()?;
    let age = age.duration_since(httpdate::parse_http_date(changed).ok()?).ok()?;
    (age >= Duration::from_secs(60)).then(|| changed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_as_new_as_the_answer() {
        let headers = |changed: &str, now: &str| {
            let changed = (LAST_MODIFIED, format!("Mon, 23 Nov 2026 {changed} GMT"));
            let now = (DATE, format!("Mon, 23 Nov 2026 {now} GMT"));
            let pairs = [changed, now].map(|(name, value)| (name, value.parse().unwrap()));
            HeaderMap::from_iter(pairs)
        };
        assert!(is_copy(&headers("07:00:00", "07:00:00")));
        assert!(is_copy(&headers("07:00:59", "07:01:00")), "a second began in between");
        assert!(!is_copy(&headers("07:00:00", "07:00:02")));
        assert!(!is_copy(&HeaderMap::new()));
    }
}
