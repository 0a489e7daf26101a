//! Whom to trust, and who we are, before a word is said.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::error::Error;

/// What MLflow's variables say of TLS. Files are read when a server is spoken
/// to that has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    pub server: Trust,
    /// In the stores that the server has its artifacts in, which others run.
    pub stores: Trust,
    /// A certificate and its key, for the server alone.
    pub identity: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Trust whoever answers.
    pub insecure: bool,
    /// Trust these authorities in place of the system's.
    pub authorities: Option<PathBuf>,
}

impl Tls {
    pub(super) fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let path = |name| env(name).map(PathBuf::from);
        let is_true = |name| {
            env(name).is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "1"))
        };
        let insecure = is_true("MLFLOW_TRACKING_INSECURE_TLS");
        let own = path("MLFLOW_TRACKING_SERVER_CERT_PATH");
        if insecure && own.is_some() {
            return Err(Error::usage(
                "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set",
                "unset one: the first trusts everybody, the second one authority",
            ));
        }
        let everywhere = path("REQUESTS_CA_BUNDLE").or_else(|| path("CURL_CA_BUNDLE"));
        Ok(Self {
            server: Trust { insecure, authorities: own.or_else(|| everywhere.clone()) },
            stores: Trust { insecure: is_true("MLFLOW_S3_IGNORE_TLS"), authorities: everywhere },
            identity: path("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
        })
    }

    /// The same trust, and nobody's certificate.
    #[must_use]
    pub(super) fn anonymous(&self) -> Self {
        Self { identity: None, ..self.clone() }
    }

    pub(crate) fn of_server(&self, url: &str) -> Result<TlsConfig, Error> {
        self.server.config(url, "tracking server", self.identity.as_deref())
    }

    pub(crate) fn of_stores(&self, url: &str) -> Result<TlsConfig, Error> {
        self.stores.config(url, "store", None)
    }
}

impl Trust {
    fn config(&self, url: &str, whose: &str, own: Option<&Path>) -> Result<TlsConfig, Error> {
        let config = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
        if !url.starts_with("https:") {
            return Ok(config.build());
        }
        let roots = match &self.authorities {
            Some(path) if !self.insecure => RootCerts::Specific(Arc::new(authorities(path)?)),
            _ => RootCerts::PlatformVerifier,
        };
        let identity = own.map(identity).transpose()?;
        if self.insecure {
            log::warn!("the {whose}'s certificate is not checked");
        }
        Ok(config
            .root_certs(roots)
            .disable_verification(self.insecure)
            .client_cert(identity)
            .build())
    }
}

/// A file of certificates, or a directory of such files.
fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let unusable = |why: &str| {
        Error::usage(
            format!("'{}' holds no certificates: {why}", path.display()),
            "MLFLOW_TRACKING_SERVER_CERT_PATH, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE \
             names a file of certificates in PEM",
        )
    };
    let failed = |error: io::Error| unusable(&error.to_string());
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path).map_err(failed)?;
        files = entries.flatten().map(|entry| entry.path()).filter(|it| it.is_file()).collect();
    }
    let mut found = Vec::new();
    for file in files {
        let pem = fs::read(&file).map_err(failed)?;
        found.extend(parse_pem(&pem).filter_map(Result::ok).filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        }));
    }
    if found.is_empty() {
        return Err(unusable("none is in PEM"));
    }
    Ok(found)
}

/// A file with a certificate, those above it, and its key. Checked here, because
/// the HTTP library takes it for granted.
fn identity(path: &Path) -> Result<ClientCert, Error> {
    let unusable = |why: String| {
        Error::usage(
            format!("'{}' is no client certificate: {why}", path.display()),
            "MLFLOW_TRACKING_CLIENT_CERT_PATH names one file in PEM that holds the \
             certificate and its key, not encrypted",
        )
    };
    let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(unusable("it holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| unusable("it holds no private key".into()))?;
    CertifiedKey::from_der(chain, key, &default_provider())
        .map_err(|error| unusable(error.to_string()))?;
    let mut certificates = Vec::new();
    let mut key = None;
    for item in parse_pem(&pem).filter_map(Result::ok) {
        match item {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(found) => key = key.or(Some(found)),
            _ => {}
        }
    }
    let key = key.ok_or_else(|| unusable("it holds no private key".into()))?;
    Ok(ClientCert::new_with_certs(&certificates, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(env: &[(&str, &str)]) -> Result<Tls, Error> {
        Tls::from_env(|name| env.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).into()))
    }

    #[test]
    fn trust_is_settled_by_mlflows_own_variables_first() {
        let own = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "own.pem");
        let requests = ("REQUESTS_CA_BUNDLE", "requests.pem");
        let insecure = ("MLFLOW_TRACKING_INSECURE_TLS", "True");
        let authorities = |env: &[_]| from(env).unwrap().server.authorities;
        assert_eq!(authorities(&[requests, own]), Some("own.pem".into()));
        assert_eq!(authorities(&[requests]), Some("requests.pem".into()));
        assert!(from(&[insecure]).unwrap().server.insecure);
        assert!(!from(&[("MLFLOW_TRACKING_INSECURE_TLS", "false")]).unwrap().server.insecure);
        assert!(from(&[insecure, own]).is_err());
        assert!(from(&[insecure, requests]).is_ok(), "not meant for MLflow alone");
    }

    #[test]
    fn stores_are_trusted_for_themselves() {
        let own = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "own.pem");
        let insecure = ("MLFLOW_TRACKING_INSECURE_TLS", "true");
        let stores = |env: &[_]| from(env).unwrap().stores;
        assert_eq!(stores(&[own]), Trust::default());
        assert_eq!(stores(&[insecure]), Trust::default());
        let authorities = Some("curl.pem".into());
        assert_eq!(
            stores(&[own, ("CURL_CA_BUNDLE", "curl.pem")]),
            Trust { insecure: false, authorities }
        );
        assert!(stores(&[("MLFLOW_S3_IGNORE_TLS", "True")]).insecure);
    }

    #[test]
    fn files_that_hold_nothing_of_use_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "hello").unwrap();
        let path = Some(file.path().to_owned());
        let trust = Trust { authorities: path.clone(), ..Trust::default() };
        let tls = Tls { server: trust.clone(), ..Tls::default() };
        assert!(tls.of_server("https://h").is_err());
        assert!(tls.of_server("http://h").is_ok(), "not asked for");
        assert!(tls.of_stores("https://h").is_ok());
        assert!(Tls { stores: trust, ..Tls::default() }.of_stores("https://h").is_err());
        let tls = Tls { identity: path, ..Tls::default() };
        assert!(tls.of_server("https://h").is_err());
        assert!(tls.of_stores("https://h").is_ok());
        assert!(tls.anonymous().of_server("https://h").is_ok());
    }
}
