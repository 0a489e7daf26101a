//! Registries of container images, with Google's tokens for Google's own.

use std::sync::Arc;

use deployment::Explain;
use oci::{Credential, Reference, Registry};
use transport::is_loopback;

use crate::endpoint::registry_endpoint;
use crate::{Credentials, CredentialsError};

/// What is to be done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Public images need no credential.
    Read,
    Write,
}

struct Token {
    credentials: Arc<Credentials>,
    access: Access,
}

/// The registry at a host. Artifact Registry and Container Registry get
/// Google's token, and so does an emulator of them; other registries get what
/// `docker login` left.
pub fn registry(host: &str, credentials: Arc<Credentials>, access: Access) -> Registry {
    let google = Reference::is_google(host);
    if !google && !is_loopback(&format!("http://{host}")) {
        return Registry::new(host, None);
    }
    let token = Some(Arc::new(Token { credentials, access }) as Arc<dyn Credential>);
    match registry_endpoint().filter(|_| host.ends_with("-docker.pkg.dev")) {
        Some(root) => Registry::at(host, root, token),
        None => Registry::new(host, token),
    }
}

impl Credential for Token {
    fn authorization(&self, url: &str) -> Result<Option<String>, Box<dyn Explain + Send + Sync>> {
        match self.credentials.headers(url) {
            Ok(headers) => {
                let mut headers = headers.into_iter();
                Ok(headers.find(|(name, _)| *name == "authorization").map(|(_, value)| value))
            }
            Err(CredentialsError::NotFound | CredentialsError::Gcloud { .. })
                if self.access == Access::Read =>
            {
                Ok(None)
            }
            Err(error) => Err(Box::new(error)),
        }
    }

    fn renew(&self) -> bool {
        self.credentials.renew()
    }
}
