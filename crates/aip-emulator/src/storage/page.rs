//! `maxResults` and `pageToken`, which all lists of the API have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ApiError;

const MAX_PAGE: usize = 1000;

pub(super) fn size(max_results: Option<usize>) -> usize {
    max_results.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE)
}

/// A token is the last entry of the page before, so a list that changes
/// between two pages loses and repeats nothing.
pub(super) fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// The last entry of the page before this one.
pub(super) fn after(token: &str) -> Result<Option<String>, ApiError> {
    if token.is_empty() {
        return Ok(None);
    }
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
    let invalid = || ApiError::storage(400, "invalid", "pageToken").at("parameter", "pageToken");
    name.map(Some).ok_or_else(invalid)
}
