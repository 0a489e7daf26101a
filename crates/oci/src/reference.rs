//! Names of images: `HOST[:PORT]/PATH[:TAG][@sha256:…]`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use transport::is_loopback;

use crate::Digest;

/// Where names without a host belong, by convention.
const DOCKER_HUB: &str = "docker.io";

/// A parsed name, with Docker's abbreviations written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// With its port, such as `europe-west1-docker.pkg.dev` or `127.0.0.1:5000`.
    pub host: String,
    /// The path, such as `library/python`.
    pub repository: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

#[derive(Debug, Error)]
#[error("'{0}' is not the name of an image, HOST/PATH[:TAG][@sha256:HEX]")]
pub struct ReferenceError(String);

impl Reference {
    /// The root of the registry's API. Clear text only within this machine.
    pub fn root(&self) -> String {
        root_of(&self.host)
    }

    /// The digest, else the tag, else `latest`: what manifests are asked for by.
    pub fn wanted(&self) -> String {
        let digest = self.digest.as_ref().map(Digest::to_string);
        digest.or_else(|| self.tag.clone()).unwrap_or_else(|| "latest".into())
    }

    /// The same repository at this digest alone.
    #[must_use]
    pub fn at(&self, digest: &Digest) -> Self {
        Self { tag: None, digest: Some(digest.clone()), ..self.clone() }
    }

    /// Whether a host is Google's Artifact Registry, or Container Registry
    /// before it, which take Google's access tokens.
    pub fn is_google(host: &str) -> bool {
        host.ends_with("-docker.pkg.dev") || host == "gcr.io" || host.ends_with(".gcr.io")
    }

    /// `HOST/PATH`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }
}

pub(crate) fn root_of(host: &str) -> String {
    let host = if host == DOCKER_HUB { "registry-1.docker.io" } else { host };
    let local = format!("http://{host}");
    if is_loopback(&local) { local } else { format!("https://{host}") }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ReferenceError(text.into()))
    }
}

fn parse(text: &str) -> Option<Reference> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse().ok()?)),
        None => (text, None),
    };
    let (rest, tag) = match rest.rsplit_once(':') {
        // Else the colon stands before a port.
        Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag)),
        _ => (rest, None),
    };
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => (DOCKER_HUB, rest),
    };
    let host = if host == "index.docker.io" { DOCKER_HUB } else { host };
    let official = host == DOCKER_HUB && !path.contains('/');
    let repository = if official { format!("library/{path}") } else { path.to_owned() };
    let valid = is_host(host) && is_repository(&repository) && tag.is_none_or(is_tag);
    let host = host.to_owned();
    valid.then(|| Reference { host, repository, tag: tag.map(str::to_owned), digest })
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "0"));
    let of_host = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    !name.is_empty() && name.chars().all(of_host) && port.parse::<u16>().is_ok()
}

/// Lower-case words between `.`, `_`, `__` and dashes, in parts between slashes.
fn is_repository(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        part.starts_with(plain)
            && part.ends_with(plain)
            && part.chars().all(|c| plain(c) || "._-".contains(c))
            && !["..", "___", "._", "_.", ".-", "-.", "_-", "-_"]
                .iter()
                .any(|bad| part.contains(bad))
    };
    path.len() <= 255 && path.split('/').all(is_part)
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&tag.len())
        && tag.starts_with(word)
        && tag.chars().all(|c| word(c) || ".-".contains(c))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parsed(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn abbreviations_are_written_out() {
        for (short, long) in [
            ("python", "docker.io/library/python"),
            ("python:3.11-slim", "docker.io/library/python:3.11-slim"),
            ("bitnami/python", "docker.io/bitnami/python"),
            ("index.docker.io/library/python", "docker.io/library/python"),
            ("localhost/x", "localhost/x"),
            ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
            ("eu-docker.pkg.dev/acme/repo/iris:v3", "eu-docker.pkg.dev/acme/repo/iris:v3"),
        ] {
            assert_eq!(parsed(short).to_string(), long);
        }
        let both = format!("ghcr.io/a/b:t@{DIGEST}");
        assert_eq!(parsed(&both).to_string(), both);
        assert_eq!(parsed(&both).wanted(), DIGEST);
        assert_eq!(parsed("ghcr.io/a/b").wanted(), "latest");
        let pinned = parsed("ghcr.io/a/b:t").at(&DIGEST.parse().unwrap());
        assert_eq!(pinned.to_string(), format!("ghcr.io/a/b@{DIGEST}"));
    }

    #[test]
    fn clear_text_stays_on_this_machine() {
        assert_eq!(parsed("python").root(), "https://registry-1.docker.io");
        assert_eq!(parsed("127.0.0.1:5000/x").root(), "http://127.0.0.1:5000");
        assert_eq!(parsed("localhost:5000/x").root(), "http://localhost:5000");
        assert_eq!(parsed("10.0.0.1:5000/x").root(), "https://10.0.0.1:5000");
    }

    #[test]
    fn googles_hosts() {
        for host in ["europe-west1-docker.pkg.dev", "gcr.io", "eu.gcr.io"] {
            assert!(Reference::is_google(host), "{host}");
        }
        for host in ["docker.pkg.dev.example.com", "xgcr.io", "docker.io", "127.0.0.1:5000"] {
            assert!(!Reference::is_google(host), "{host}");
        }
    }

    proptest::proptest! {
        /// What is taken stays the same when it is shown, and no part of it
        /// leaves its place in an address.
        #[test]
        fn shown_as_it_was_meant(text in "([a-c.]{1,4}(:[0-9]{1,5})?/)?[a-cA._/-]{1,10}(:[a-c.-]{0,3})?[@%?# ]?") {
            let Ok(reference) = text.parse::<Reference>() else { return Ok(()) };
            proptest::prop_assert_eq!(&parsed(&reference.to_string()), &reference);
            let url: url::Url = format!("{}/v2/{}/", reference.root(), reference.repository).parse()?;
            proptest::prop_assert_eq!(url.path(), format!("/v2/{}/", reference.repository));
        }
    }

    #[test]
    fn what_is_no_name() {
        for bad in [
            "",
            "/",
            "Python",
            "a//b",
            "x:",
            "x@sha256:1",
            "ghcr.io/",
            "a b",
            "x:t@",
            "h:99999/x",
            "user:password@ghcr.io/x",
            "x/../y",
            "https://ghcr.io/x",
            "gs://b/x",
            "x:-t",
            "-x",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }
}
