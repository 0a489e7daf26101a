//! An MLflow server's address, and what may be shown of it.

use std::fmt::{self, Debug, Display};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::encode::path_segments;
use crate::error::Error;
use crate::login::Credentials;

pub(crate) const PROXY_ROUTE: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// An MLflow server over HTTP.
#[derive(Clone)]
pub struct Server {
    /// Without credentials, query and slash at the end.
    base: String,
    userinfo: Option<Credentials>,
}

impl Server {
    pub(crate) fn parse(uri: &str) -> Result<Self, Error> {
        let safe = transport::without_secrets(uri);
        let bad = |why: &str| {
            Error::usage(
                format!("tracking URI '{safe}' {why}"),
                "write it as http://HOST:PORT or https://HOST; --tracking-uri sets it",
            )
        };
        let mut url = Url::parse(uri).map_err(|error| bad(&format!("is unusable: {error}")))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("has a query or a fragment"));
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let userinfo = (!url.username().is_empty() || url.password().is_some()).then(|| {
            Credentials::basic(&decode(url.username()), &decode(url.password().unwrap_or_default()))
        });
        // Both fail only for URLs that cannot have a user, and http can.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self { base: url.as_str().trim_end_matches('/').to_owned(), userinfo })
    }

    /// The same host and port, so that what one may know the other may know.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        let origin = |server: &Self| Url::parse(&server.base).map(|url| url.origin());
        matches!((origin(self), origin(other)), (Ok(a), Ok(b)) if a == b)
    }

    /// Another host, with this one's scheme.
    pub(crate) fn at_host(&self, host: &str) -> Result<Self, Error> {
        let scheme = self.base.split("://").next().unwrap_or("http");
        Self::parse(&format!("{scheme}://{host}"))
    }

    pub fn url(&self, route: &str) -> String {
        format!("{}{route}", self.base)
    }

    pub(crate) fn artifact(&self, path: &str) -> String {
        self.url(&format!("{PROXY_ROUTE}/{}", path_segments(path)))
    }

    pub(crate) fn userinfo(&self) -> Option<&Credentials> {
        self.userinfo.as_ref()
    }

    /// The host alone.
    pub(crate) fn host(&self) -> String {
        let url = Url::parse(&self.base).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The host as the server sees it in a request.
    pub(crate) fn authority(&self) -> &str {
        let rest = self.base.split_once("://").map_or(self.base.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }
}

/// The same place, whoever asks.
impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base
    }
}

impl Eq for Server {}

impl Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_front_is_kept() {
        let server = Server::parse("https://mlflow.example.com:8443/team/").unwrap();
        assert_eq!(server.authority(), "mlflow.example.com:8443");
        assert_eq!(server.url("/health"), "https://mlflow.example.com:8443/team/health");
    }

    #[test]
    fn origins_compare_host_and_port() {
        let server = |uri| Server::parse(uri).unwrap();
        assert!(server("http://h:80/a").same_origin(&server("http://h")));
        assert!(!server("http://h:81").same_origin(&server("http://h")));
        assert!(!server("https://h").same_origin(&server("http://h")));
    }
}
