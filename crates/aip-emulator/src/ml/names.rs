//! Resource names and the rules for them.

use percent_encoding::percent_decode_str;

use super::refusal::{invalid, malformed};
use crate::error::ApiError;

/// The limit that the service documented for models and versions.
const MAX_NAME: usize = 128;

/// The segments of a request's path after `/v1/`, and its `:verb`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub segments: Vec<String>,
    pub verb: String,
}

/// Reads a path. Names are decoded before they are split: no name contains a
/// slash, and some clients encode those of a resource name.
pub(super) fn parse(path: &str) -> Result<Target, ApiError> {
    let decoded = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| malformed("The request path is not valid UTF-8."))?;
    let mut segments: Vec<String> =
        decoded.trim_matches('/').split('/').map(str::to_owned).collect();
    // A project may be named "example.com:name": verbs stand behind the last
    // colon of the last segment, and are letters only.
    let mut verb = String::new();
    if let Some(last) = segments.last_mut()
        && let Some((name, word)) = last.rsplit_once(':')
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphabetic())
    {
        word.clone_into(&mut verb);
        *last = name.to_owned();
    }
    if segments.iter().skip(1).step_by(2).any(|name| !is_plain(name)) {
        return Err(malformed("Invalid resource name in the request path."));
    }
    Ok(Target { segments, verb })
}

/// Names become directories: one path component, whatever the client sent.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.len() <= 256
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c))
}

/// Refuses a name that the service would not give to a model or a version.
pub(super) fn check(field: &str, name: &str) -> Result<(), ApiError> {
    let is_valid = name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_valid {
        return Ok(());
    }
    Err(invalid(
        field,
        &format!(
            "The name '{name}' is invalid: it must start with a letter, contain only letters, \
             numbers and underscores, and have at most {MAX_NAME} characters."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> (String, String) {
        let target = parse(path).unwrap();
        (target.segments.join("|"), target.verb)
    }

    #[test]
    fn a_verb_stands_behind_the_last_segment() {
        assert_eq!(target("projects/p:getConfig"), ("projects|p".into(), "getConfig".into()));
        let version = ("projects|a.com:p|models|m|versions|v".into(), "predict".into());
        assert_eq!(target("projects/a.com:p/models/m/versions/v:predict"), version);
        assert_eq!(target("projects%2Fa.com%3Ap/models/m%2Fversions/v%3Apredict"), version);
    }

    #[test]
    fn a_path_cannot_leave_its_directory() {
        for path in [
            "projects/..",
            "projects/../models/x",
            "projects/p/models/..%2F..",
            "projects//models/m",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn names_are_as_the_service_had_them() {
        for name in ["v1", "Iris_2", "a"] {
            assert!(check("model.name", name).is_ok());
        }
        for name in ["", "1", "_a", "a-b", "a.b", "ä", &"a".repeat(129)] {
            assert!(check("model.name", name).is_err());
        }
    }
}
