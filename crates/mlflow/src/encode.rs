//! Names in URLs. Everything but the unreserved characters is encoded: servers
//! and proxies differ in what they make of the others.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// A path, its slashes kept.
pub(crate) fn path_segments(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// `route?a=b&c=d`.
pub(crate) fn with_query(route: &str, query: &[(&str, &str)]) -> String {
    let mut text = route.to_owned();
    for (index, (name, value)) in query.iter().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, SEGMENT));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_survive() {
        assert_eq!(path_segments("a b/c#d%41?é"), "a%20b/c%23d%2541%3F%C3%A9");
        assert_eq!(with_query("/x", &[("p", "a/b&c"), ("q", "1+1")]), "/x?p=a%2Fb%26c&q=1%2B1");
        assert_eq!(with_query("/x", &[]), "/x");
    }
}
