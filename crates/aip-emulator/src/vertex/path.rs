//! The path of a request: a place, what is in it, and what to do with that.

use percent_encoding::percent_decode_str;

use super::names::Place;
use crate::api::refusal::malformed;
use crate::error::ApiError;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// As the client wrote it: an id or a number
    pub project: String,
    pub place: Place,
    /// What follows the place
    pub segments: Vec<String>,
    pub verb: String,
    /// What follows `invoke/`, undecoded: the container's business
    pub invoke: Option<String>,
}

/// Reads what follows `/v1/`. A segment is decoded after the path is split, so
/// that `models/iris%401` is one name.
pub(super) fn parse(path: &str) -> Result<Target, ApiError> {
    let (path, invoke) = match path.split_once("/invoke/") {
        Some((path, rest)) if path.contains("/endpoints/") => (path, Some(rest.to_owned())),
        _ => (path, None),
    };
    let decode = |part: &str| {
        let text = percent_decode_str(part).decode_utf8();
        text.map(String::from).map_err(|_| malformed("The request path is not valid UTF-8."))
    };
    let mut segments = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let verb = if invoke.is_none() { take_verb(&mut segments) } else { String::new() };
    if segments.len() < 4 || segments.iter().skip(1).step_by(2).any(|name| !is_plain(name)) {
        return Err(malformed("Invalid resource name in the request path."));
    }
    let rest = segments.split_off(4);
    let place = Place::new(&segments[1], &segments[3]);
    Ok(Target { project: segments.swap_remove(1), place, segments: rest, verb, invoke })
}

/// A project may be named "example.com:name", but it is never the last segment.
fn take_verb(segments: &mut [String]) -> String {
    let Some(last) = segments.last_mut() else { return String::new() };
    let Some((name, verb)) = last.rsplit_once(':') else { return String::new() };
    let (name, verb) = (name.to_owned(), verb.to_owned());
    *last = name;
    verb
}

/// Names become directories and parts of other names.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.len() <= 256
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:@".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> (String, String, Option<String>) {
        let target = parse(path).unwrap();
        (target.segments.join("|"), target.verb, target.invoke)
    }

    #[test]
    fn places_names_and_verbs() {
        let plain = |segments: &str, verb: &str| (segments.to_owned(), verb.to_owned(), None);
        assert_eq!(read("projects/p/locations/l/models:upload"), plain("models", "upload"));
        let version = "projects/a.com:p/locations/l/models/iris%402:deleteVersion";
        assert_eq!(read(version), plain("models|iris@2", "deleteVersion"));
        assert_eq!(parse(version).unwrap().project, "a.com:p");
        let number = parse("projects/123/locations/l/models").unwrap();
        assert_eq!(number.place.to_string(), "projects/123/locations/l");
    }

    #[test]
    fn what_is_invoked_is_left_as_it_is() {
        let path = "projects/p/locations/l/endpoints/e/deployedModels/1/invoke/a%2Fb/c:d";
        let (segments, verb, invoke) = read(path);
        assert_eq!((segments.as_str(), verb.as_str()), ("endpoints|e|deployedModels|1", ""));
        assert_eq!(invoke.as_deref(), Some("a%2Fb/c:d"));
    }

    #[test]
    fn a_path_cannot_leave_its_place() {
        for path in [
            "projects/p",
            "projects/p/locations/..",
            "projects/p/locations/l/models/..%2F..",
            "projects//locations/l/models",
            "projects/p/locations/l/models/",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
