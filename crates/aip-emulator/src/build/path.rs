//! The paths of Cloud Build's API, among those of others that share its root.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) project: String,
    /// `global` where the path has none
    pub(super) location: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Builds,
    Build { id: String, verb: String },
    Operation { id: String, verb: String },
}

const GLOBAL: &str = "global";

impl Target {
    /// None for what is another service's.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let path = percent_decode_str(path.strip_prefix("/v1/")?).decode_utf8().ok()?;
        let segments: Vec<&str> = path.split('/').collect();
        let target = |project: &str, location: &str, what| {
            Some(Self { project: project.to_owned(), location: location.to_owned(), what })
        };
        match segments.as_slice() {
            ["projects", p, "builds"] => target(p, GLOBAL, What::Builds),
            ["projects", p, "locations", l, "builds"] => target(p, l, What::Builds),
            ["projects", p, "builds", last] => {
                let (id, verb) = split(last);
                target(p, GLOBAL, What::Build { id, verb })
            }
            ["projects", p, "locations", l, "builds", last] => {
                let (id, verb) = split(last);
                target(p, l, What::Build { id, verb })
            }
            ["projects", p, "locations", l, "operations", last] => {
                let (id, verb) = split(last);
                is_id(&id).then(|| target(p, l, What::Operation { id, verb })).flatten()
            }
            ["operations", "build", p, last] => {
                let (encoded, verb) = split(last);
                let id = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
                target(p, GLOBAL, What::Operation { id, verb })
            }
            _ => None,
        }
    }
}

/// The name of a build's operation, where the build was asked for.
pub(super) fn operation_name(project: &str, location: &str, id: &str) -> String {
    if location == GLOBAL {
        return format!("operations/build/{project}/{}", URL_SAFE_NO_PAD.encode(id));
    }
    format!("projects/{project}/locations/{location}/operations/{id}")
}

fn split(last: &str) -> (String, String) {
    let (id, verb) = last.split_once(':').unwrap_or((last, ""));
    (id.to_owned(), verb.to_owned())
}

/// Builds have UUIDs, other services' operations have numbers.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01234567-89ab-4cde-8f01-23456789abcd";

    #[test]
    fn what_is_a_builds_and_what_is_not() {
        let show = |path: &str| {
            Target::parse(path).map(|target| {
                let what = match target.what {
                    What::Builds => "builds".to_owned(),
                    What::Build { id, verb } => format!("build {id} {verb}"),
                    What::Operation { id, verb } => format!("operation {id} {verb}"),
                };
                format!("{} {} {what}", target.project, target.location)
            })
        };
        let regional = operation_name("p", "l", ID);
        let global = operation_name("p", "global", ID);
        let cases = [
            ("projects/p/builds", Some("p global builds".to_owned())),
            ("projects/p/locations/l/builds", Some("p l builds".to_owned())),
            ("projects/p/builds/1:cancel", Some("p global build 1 cancel".to_owned())),
            ("projects/p/locations/l/builds/1", Some("p l build 1 ".to_owned())),
            (&regional, Some(format!("p l operation {ID} "))),
            (&global, Some(format!("p global operation {ID} "))),
            ("projects/p/locations/l/operations/1234567890", None),
            ("projects/p/models", None),
            ("projects/p/locations/l/models/builds", None),
        ];
        for (path, expected) in cases {
            assert_eq!(show(&format!("/v1/{path}")), expected, "{path}");
        }
        assert_eq!(show("/v1beta1/projects/p/builds"), None);
    }
}
