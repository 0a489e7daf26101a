//! Which tracking server, and what may be shown of it.

use std::convert::Infallible;
use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::credentials::{Credentials, Secret};
use crate::encode::path_segments;
use crate::error::Error;

pub(crate) const PROXY_ROUTE: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// A tracking URI as it was given. What is shown of it has no credentials.
#[derive(Clone)]
pub struct TrackingUri(Secret);

impl TrackingUri {
    pub fn server(&self) -> Result<Server, Error> {
        Server::parse(self.0.expose())
    }
}

impl FromStr for TrackingUri {
    type Err = Infallible;

    fn from_str(uri: &str) -> Result<Self, Infallible> {
        Ok(Self(Secret::new(uri.trim())))
    }
}

impl Display for TrackingUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.0.expose()))
    }
}

impl Debug for TrackingUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// A store's address may hold a password in the middle, as databases' do.
fn shown(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // A password with an unescaped slash in it puts the @ into the path.
    let path = path.rsplit_once('@').map_or(path, |(_, rest)| rest);
    format!("{scheme}://{host}{}", path.split(['?', '#']).next().unwrap_or_default())
}

/// An MLflow server over HTTP.
#[derive(Clone)]
pub struct Server {
    /// Without credentials, query and slash at the end.
    base: String,
    userinfo: Option<Credentials>,
}

impl Server {
    pub(crate) fn parse(uri: &str) -> Result<Self, Error> {
        let safe = shown(uri);
        let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(unsupported(&safe, &scheme));
        }
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

fn unsupported(shown: &str, scheme: &str) -> Error {
    let message = format!("tracking URI '{shown}' is not an http or https URL");
    let hint = match scheme {
        "databricks" | "databricks-uc" | "uc" => {
            "Databricks has an API of its own, which this tool does not speak; \
             give it the model's directory or an open-source tracking server"
                .into()
        }
        _ => format!(
            "a local store is read through a server: \
             mlflow server --backend-store-uri '{shown}', then --tracking-uri http://127.0.0.1:5000"
        ),
    };
    Error::usage(message, hint)
}

#[cfg(test)]
mod tests {
    use deployment::Explain;

    use super::*;

    #[test]
    fn credentials_in_a_uri_are_used_and_never_shown() {
        let uri: TrackingUri =
            "https://ana:s%40cret@mlflow.example.com:8443/team/".parse().unwrap();
        let server = uri.server().unwrap();
        assert_eq!(uri.to_string(), "https://mlflow.example.com:8443/team/");
        assert_eq!(server.to_string(), "https://mlflow.example.com:8443/team");
        assert_eq!(server.authority(), "mlflow.example.com:8443");
        assert_eq!(server.userinfo(), Some(&Credentials::basic("ana", "s@cret")));
        assert!(!format!("{uri:?} {server:?}").contains("cret"));
        assert_eq!(server.url("/health"), "https://mlflow.example.com:8443/team/health");
    }

    #[test]
    fn whatever_is_wrong_the_password_does_not_show() {
        for uri in [
            "http://ana:secret@",
            "http://ana:secret@host:99999",
            "http://ana:secret@ho st/",
            "http://ana:secret@host/?x",
            "http://ana:se/cret@host/?x",
            "postgresql://ana:secret@db/mlflow",
        ] {
            let error = uri.parse::<TrackingUri>().unwrap().server().unwrap_err();
            let text = format!("{error} {:?}", error.hint());
            assert!(!text.contains("cret"), "{text}");
        }
    }

    #[test]
    fn a_local_store_is_told_how_to_be_served() {
        for uri in ["sqlite:///mlflow.db", "./mlruns", "/x/mlruns", "file:///x/mlruns"] {
            let error = Server::parse(uri).unwrap_err();
            let hint = error.hint().unwrap();
            assert!(hint.contains(&format!("mlflow server --backend-store-uri '{uri}'")), "{hint}");
        }
        assert!(Server::parse("databricks").unwrap_err().hint().unwrap().contains("Databricks"));
    }

    #[test]
    fn origins_compare_host_and_port() {
        let server = |uri| Server::parse(uri).unwrap();
        assert!(server("http://h:80/a").same_origin(&server("http://h")));
        assert!(!server("http://h:81").same_origin(&server("http://h")));
        assert!(!server("https://h").same_origin(&server("http://h")));
    }
}
