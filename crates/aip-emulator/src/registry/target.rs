//! What a path of the distribution API is about.

use percent_encoding::percent_decode_str;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `/v2/`: is this a registry?
    Base,
    Token,
    Blob {
        name: String,
        digest: String,
    },
    /// Where uploads begin
    Uploads {
        name: String,
    },
    Upload {
        name: String,
        id: String,
    },
    Manifest {
        name: String,
        reference: String,
    },
    Tags {
        name: String,
    },
}

/// Uploads go to a place outside `/v2/`, as they do at Artifact Registry:
/// clients must follow the `Location`, whatever it is.
pub(super) const UPLOADS: &str = "/artifacts-uploads/";

impl Target {
    pub(super) fn parse(path: &str) -> Option<Self> {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        if let Some(rest) = path.strip_prefix(UPLOADS) {
            let (name, id) = rest.rsplit_once("/uploads/")?;
            return Some(Self::Upload { name: name.to_owned(), id: id.to_owned() });
        }
        let path = path.strip_prefix("/v2")?;
        match path.strip_prefix('/').unwrap_or(path) {
            "" => Some(Self::Base),
            "token" => Some(Self::Token),
            path => Self::below_name(path),
        }
    }

    /// Names have slashes, so that paths are read from their ends.
    fn below_name(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        if let Some(name) = path.strip_suffix("/blobs/uploads") {
            return Some(Self::Uploads { name: name.to_owned() });
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            return Some(Self::Tags { name: name.to_owned() });
        }
        let (rest, last) = path.rsplit_once('/')?;
        let last = last.to_owned();
        if let Some(name) = rest.strip_suffix("/blobs") {
            return Some(Self::Blob { name: name.to_owned(), digest: last });
        }
        let name = rest.strip_suffix("/manifests")?;
        Some(Self::Manifest { name: name.to_owned(), reference: last })
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Base | Self::Token => None,
            Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Manifest { name, .. }
            | Self::Tags { name } => Some(name),
        }
    }
}

/// Whether what goes there and comes from there are bytes, not messages.
pub(crate) fn is_content(path: &str) -> bool {
    matches!(
        Target::parse(path),
        Some(Target::Blob { .. } | Target::Uploads { .. } | Target::Upload { .. })
    )
}

/// What a request does, in the names that faults use.
pub(crate) const METHODS: &[&str] = &[
    "docker.base",
    "docker.token",
    "docker.blobs.get",
    "docker.blobs.head",
    "docker.blobs.begin",
    "docker.blobs.upload",
    "docker.manifests.get",
    "docker.manifests.head",
    "docker.manifests.put",
    "docker.manifests.delete",
    "docker.tags.list",
];

pub(crate) fn method(verb: &str, path: &str) -> Option<&'static str> {
    let name = match (Target::parse(path)?, verb) {
        (Target::Base, "GET") => "docker.base",
        (Target::Token, _) => "docker.token",
        (Target::Blob { .. }, "GET") => "docker.blobs.get",
        (Target::Blob { .. }, "HEAD") => "docker.blobs.head",
        (Target::Uploads { .. }, "POST") => "docker.blobs.begin",
        (Target::Upload { .. }, "PUT" | "PATCH") => "docker.blobs.upload",
        (Target::Manifest { .. }, "GET") => "docker.manifests.get",
        (Target::Manifest { .. }, "HEAD") => "docker.manifests.head",
        (Target::Manifest { .. }, "PUT") => "docker.manifests.put",
        (Target::Manifest { .. }, "DELETE") => "docker.manifests.delete",
        (Target::Tags { .. }, "GET") => "docker.tags.list",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let name = || "a/b".to_owned();
        let text = str::to_owned;
        let cases = [
            ("/v2/", Some(Target::Base)),
            ("/v2", Some(Target::Base)),
            ("/v2/token", Some(Target::Token)),
            ("/v2/a/b/blobs/x", Some(Target::Blob { name: name(), digest: text("x") })),
            (
                "/v2/a/b/blobs/sha256%3A00",
                Some(Target::Blob { name: name(), digest: text("sha256:00") }),
            ),
            ("/v2/a/b/blobs/uploads/", Some(Target::Uploads { name: name() })),
            ("/v2/a/b/blobs/uploads", Some(Target::Uploads { name: name() })),
            (
                "/artifacts-uploads/a/b/uploads/7",
                Some(Target::Upload { name: name(), id: text("7") }),
            ),
            ("/v2/a/b/tags/list", Some(Target::Tags { name: name() })),
            (
                "/v2/a/b/manifests/v1",
                Some(Target::Manifest { name: name(), reference: text("v1") }),
            ),
            ("/v2/a/b", None),
            ("/v2/manifests/v1", None),
            ("/v1/projects", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Target::parse(path), expected, "{path}");
        }
    }

    #[test]
    fn methods_are_those_that_are_listed() {
        for verb in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            for path in ["/v2/", "/v2/token", "/v2/a/blobs/x", "/v2/a/blobs/uploads/"] {
                assert!(method(verb, path).is_none_or(|name| METHODS.contains(&name)));
            }
        }
        assert_eq!(method("PUT", "/artifacts-uploads/a/uploads/1"), Some("docker.blobs.upload"));
        assert_eq!(method("HEAD", "/v2/a/manifests/v1"), Some("docker.manifests.head"));
        assert_eq!(method("DELETE", "/v2/a/blobs/x"), None);
    }
}
