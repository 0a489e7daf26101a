//! Registries: the OCI distribution protocol 1.1, over ureq.

mod auth;
mod call;
mod challenge;
mod docker;
mod pull;
mod push;
mod upload;

use std::sync::Arc;

use transport::Policy;
use ureq::Agent;

use crate::reference::root_of;

pub use auth::Credential;
pub use pull::Resolved;
pub use push::{Missing, Push, Pushed};

/// One registry, as one caller sees it.
#[derive(Debug)]
pub struct Registry {
    host: String,
    root: String,
    agent: Agent,
    auth: auth::Auth,
    policy: Policy,
}

impl Registry {
    /// `given` says who asks, where it has something to say; else what the
    /// registry asks for is answered as Docker does: with what `docker login`
    /// left, or nobody's name.
    pub fn new(host: &str, given: Option<Arc<dyn Credential>>) -> Self {
        Self::at(host, root_of(host), given)
    }

    /// The same where the registry of that name is reached elsewhere.
    pub fn at(host: &str, root: String, given: Option<Arc<dyn Credential>>) -> Self {
        let agent = transport::agent(&root);
        let auth = auth::Auth::new(host, given);
        Self { host: host.into(), root, agent, auth, policy: Policy::from_env() }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    fn url(&self, repository: &str, rest: &str) -> String {
        format!("{}/v2/{repository}/{rest}", self.root)
    }
}
