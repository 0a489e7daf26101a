//! References to images: `HOST/PATH[:TAG][@DIGEST]`.

use super::digest::Digest;
use super::name::{is_repository, is_tag};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// With the port, if there is one
    pub(super) host: String,
    pub(super) path: String,
    /// What the digest, else the tag says; `latest` without either
    pub(super) wanted: String,
}

impl Reference {
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let (rest, digest) = match uri.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (uri, None),
        };
        let (host, rest) = rest.split_once('/')?;
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let is_host = host.contains('.') || host.contains(':') || host == "localhost";
        let wanted = digest.or(tag).unwrap_or("latest");
        let is_sound = digest.is_none_or(|digest| Digest::parse(digest).is_some())
            && tag.is_none_or(is_tag)
            && is_repository(path);
        (is_host && is_sound).then(|| Self {
            host: host.to_owned(),
            path: path.to_owned(),
            wanted: wanted.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        let digest = &Digest::of(b"").to_string();
        let (pinned, both) = (
            format!("r-docker.pkg.dev/p/r/i@{digest}"),
            format!("r-docker.pkg.dev/p/r/i:t@{digest}"),
        );
        let cases = [
            ("127.0.0.1:80/a/b:v1", Some(("127.0.0.1:80", "a/b", "v1"))),
            ("r-docker.pkg.dev/p/r/i", Some(("r-docker.pkg.dev", "p/r/i", "latest"))),
            (&pinned, Some(("r-docker.pkg.dev", "p/r/i", digest))),
            (&both, Some(("r-docker.pkg.dev", "p/r/i", digest))),
            ("localhost/a", Some(("localhost", "a", "latest"))),
            ("library/python", None),
            ("python", None),
            ("h.example/", None),
            ("h.example/a:", None),
            ("h.example/../a", None),
            ("h.example/a/../b:v1", None),
            ("h.example/a@sha256:00", None),
        ];
        for (uri, expected) in cases {
            let parsed = Reference::parse(uri);
            let found =
                parsed.as_ref().map(|r| (r.host.as_str(), r.path.as_str(), r.wanted.as_str()));
            assert_eq!(found, expected, "{uri}");
        }
    }
}
