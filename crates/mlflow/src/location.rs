//! Where artifacts are kept: what MLflow calls an artifact URI.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::server::{PROXY_ROUTE, Server};
use crate::uri::sub_path;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory, on this machine or on the server's.
    Local(PathBuf),
    /// Behind an artifact proxy.
    Proxied { proxy: Proxy, path: String },
    /// Cloud Storage. The prefix has no slash at its end.
    Storage { bucket: String, prefix: String },
    /// A store that only the tracking server can read for us.
    Other { scheme: String, uri: String },
}

/// Which server's artifact proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// The tracking server that was asked.
    Tracking,
    /// Another host, spoken to as the tracking server is.
    Host(String),
    Server(Server),
}

impl Location {
    /// The same, some steps below.
    #[must_use]
    pub fn below(self, path: &str) -> Self {
        if path.is_empty() {
            return self;
        }
        match self {
            Self::Local(root) => Self::Local(root.join(path)),
            Self::Proxied { proxy, path: root } => Self::Proxied { proxy, path: join(&root, path) },
            Self::Storage { bucket, prefix } => {
                Self::Storage { bucket, prefix: join(&prefix, path) }
            }
            Self::Other { scheme, uri } => Self::Other { scheme, uri: join(&uri, path) },
        }
    }
}

/// With one slash between, where there is something on both sides.
pub(crate) fn join(root: &str, path: &str) -> String {
    match (root.trim_end_matches('/'), path) {
        ("", path) => path.to_owned(),
        (root, "") => root.to_owned(),
        (root, path) => format!("{root}/{path}"),
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(uri: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = split_scheme(uri) else {
            return Ok(Self::Local(uri.into()));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => file(rest, uri),
            "gs" => storage(rest, uri),
            "mlflow-artifacts" => proxied(rest, uri),
            "http" | "https" => proxy_url(uri),
            "runs" | "models" => Err(Error::usage(
                format!("'{uri}' is no place where files are"),
                "write it in lower case, with one slash: runs:/… or models:/…",
            )),
            scheme => {
                Ok(Self::Other { scheme: scheme.into(), uri: uri.trim_end_matches('/').into() })
            }
        }
    }
}

/// A colon after a word, as in `s3://…`; `./a:b` has none.
pub(crate) fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let usable = scheme.bytes().all(letter) && scheme.as_bytes().first()?.is_ascii_alphabetic();
    (usable && scheme.len() > 1).then_some((scheme, rest))
}

fn file(rest: &str, uri: &str) -> Result<Location, Error> {
    let path = match rest.strip_prefix("//") {
        Some(rest) => match rest.split_once('/') {
            Some(("" | "localhost", path)) => format!("/{path}"),
            _ => {
                return Err(Error::usage(
                    format!("'{uri}' names a host, which a file has not"),
                    "write file:///absolute/path",
                ));
            }
        },
        None => rest.to_owned(),
    };
    let path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
    if path.is_empty() {
        return Err(Error::usage(format!("'{uri}' has no path"), "write file:///absolute/path"));
    }
    // A relative one that begins like a URI must not be shown as one.
    let path = PathBuf::from(path);
    Ok(Location::Local(if path.is_relative() { PathBuf::from(".").join(path) } else { path }))
}

fn storage(rest: &str, uri: &str) -> Result<Location, Error> {
    let rest = rest.strip_prefix("//").unwrap_or_default();
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(Error::usage(format!("'{uri}' has no bucket"), "write gs://BUCKET/PATH"));
    }
    Ok(Location::Storage { bucket: bucket.into(), prefix: prefix.trim_end_matches('/').into() })
}

fn proxied(rest: &str, uri: &str) -> Result<Location, Error> {
    let (proxy, path) = match rest.strip_prefix("//") {
        Some(rest) => match rest.split_once('/').unwrap_or((rest, "")) {
            ("", path) => (Proxy::Tracking, path),
            (host, path) => {
                Server::parse(&format!("http://{host}"))?;
                (Proxy::Host(host.into()), path)
            }
        },
        None => (Proxy::Tracking, rest.trim_start_matches('/')),
    };
    Ok(Location::Proxied { proxy, path: sub_path(path, uri)?.unwrap_or_default() })
}

fn proxy_url(uri: &str) -> Result<Location, Error> {
    let Some((base, path)) = uri.split_once(PROXY_ROUTE) else {
        return Err(Error::usage(
            format!("'{}' is no artifact of an MLflow server", transport::redact(uri)),
            format!(
                "such a URL has '{PROXY_ROUTE}/' in it; a tracking server is given by --tracking-uri"
            ),
        ));
    };
    let path = percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
    let path = sub_path(&path, &transport::redact(uri))?.unwrap_or_default();
    Ok(Location::Proxied { proxy: Proxy::Server(Server::parse(base)?), path })
}

impl Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Proxied { proxy, path } => match proxy {
                Proxy::Tracking => write!(f, "mlflow-artifacts:/{path}"),
                Proxy::Host(host) => write!(f, "mlflow-artifacts://{host}/{path}"),
                Proxy::Server(server) => f.write_str(&server.artifact(path)),
            },
            Self::Storage { bucket, prefix } => write!(f, "gs://{bucket}/{prefix}"),
            Self::Other { uri, .. } => f.write_str(&transport::redact(uri)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(uri: &str) -> String {
        uri.parse::<Location>().unwrap().to_string()
    }

    #[test]
    fn roots_of_every_kind() {
        assert_eq!(shown("/srv/mlflow/1"), "/srv/mlflow/1");
        assert_eq!(shown("rel/a:b"), "rel/a:b");
        assert_eq!(shown("file:///srv/a%20b"), "/srv/a b");
        assert_eq!(shown("file:/srv/x"), "/srv/x");
        assert_eq!(shown("file:runs:/x"), "./runs:/x");
        assert_eq!(shown("file://localhost/srv/x"), "/srv/x");
        assert_eq!(shown("gs://b/p/q/"), "gs://b/p/q");
        assert_eq!(shown("mlflow-artifacts:/1/r/artifacts"), "mlflow-artifacts:/1/r/artifacts");
        assert_eq!(shown("mlflow-artifacts:///1/r"), "mlflow-artifacts:/1/r");
        assert_eq!(shown("mlflow-artifacts://h:5/1/r"), "mlflow-artifacts://h:5/1/r");
        let url = "https://h/pre/api/2.0/mlflow-artifacts/artifacts/1/a%20b";
        assert_eq!(shown(url), url);
        assert_eq!(shown("s3://bucket/key/"), "s3://bucket/key");
        assert_eq!(shown("wasbs://c:key@account/x?sig=1"), "wasbs://account/x");
    }

    #[test]
    fn below_goes_below() {
        for (root, below) in [
            ("/srv", "/srv/a/b"),
            ("gs://b", "gs://b/a/b"),
            ("mlflow-artifacts:/", "mlflow-artifacts:/a/b"),
            ("s3://k/x", "s3://k/x/a/b"),
        ] {
            assert_eq!(root.parse::<Location>().unwrap().below("a/b").to_string(), below);
        }
    }

    #[test]
    fn unusable_roots_are_refused() {
        for uri in [
            "file:",
            "file://host/x",
            "gs:",
            "gs://",
            "gs:///x",
            "http://h/x",
            "RUNS:/x",
            "mlflow-artifacts:/1/../2",
            "mlflow-artifacts://a b/1",
            "http://h/api/2.0/mlflow-artifacts/artifacts/a/%2e%2e/b",
        ] {
            assert!(uri.parse::<Location>().is_err(), "{uri}");
        }
    }
}
