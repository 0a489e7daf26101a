//! Names that MLflow's servers take for others.

use crate::error::Error;

/// They decode a path until it stays the same, each time as a URL (`_decode` in
/// `utils/uri.py`). So another file might come, or another directory be listed.
pub(super) fn check(path: &str) -> Result<(), Error> {
    if !is_mangled(path) {
        return Ok(());
    }
    let hint = "MLflow's servers cannot serve names with '#' or '%' and two hexadecimal digits, \
                nor some others; copy the directory from the store and give that";
    let message = format!("cannot download '{}'", path.escape_debug());
    Err(Error::Missing { message, hint: Some(hint.into()) })
}

fn is_mangled(path: &str) -> bool {
    let is_code = |three: &[u8]| three[0] == b'%' && three[1..].iter().all(u8::is_ascii_hexdigit);
    path.contains(['#', '\t', '\r', '\n'])
        || path.as_bytes().windows(3).any(is_code)
        // An empty query or parameter is left out.
        || path.ends_with(['?', ';'])
        || path.contains(";?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decoded_to_itself_is_servable() {
        for name in ["", "a b", "100%", "a%zz", "a?b=1", "a;b", "dir;/x", "é-日本", "a+b&c"] {
            assert!(!is_mangled(name), "{name}");
        }
        for name in ["a%41", "a%2Fb", "a#b", "a?", "a;", "a;?b", "a\tb"] {
            assert!(is_mangled(name), "{name}");
        }
    }
}
