//! The metadata server of a machine in Google Cloud, which knows the machine's
//! service account.

use std::time::Duration;

use serde_json::Value;
use transport::{HttpError, Policy, is_loopback, no_answer, retry, success};
use ureq::Agent;
use ureq::http::HeaderMap;

use super::identity::Identity;
use super::secret::Token;
use super::{CredentialsError, SCOPE, env};

/// The address, for a laptop's name server may take its time to know nothing of
/// metadata.google.internal.
const ADDRESS: &str = "169.254.169.254";
const ACCOUNT: &str = "computeMetadata/v1/instance/service-accounts/default";
/// On the machine it answers in a millisecond; anywhere else nobody should wait.
const PATIENCE: Duration = Duration::from_secs(1);
/// GKE's starts with the pod, and late.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) host: String,
    email: String,
}

/// The host that the environment names, and by which variable.
pub(super) fn named() -> Option<(&'static str, String)> {
    ["GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"]
        .into_iter()
        .find_map(|name| Some((name, env(name)?)))
}

pub(super) fn is_ruled_out() -> bool {
    env("NO_GCE_CHECK").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

pub(super) fn is_local(host: &str) -> bool {
    is_loopback(&format!("http://{host}"))
}

impl Metadata {
    /// One that was named is expected to be there.
    pub(super) fn at(host: String) -> Result<Self, CredentialsError> {
        let email = retry(&Policy::from_env(), || ask(&host, "email", LONG_PATIENCE));
        let email = email.map_err(|error| no_token(&host, error))?;
        Ok(Self { email: text(&email), host })
    }

    /// Elsewhere there is none, or another cloud's, or no account with it.
    pub(super) fn find() -> Option<Self> {
        let seconds = env("GCE_METADATA_TIMEOUT").and_then(|text| text.parse().ok());
        let patience = seconds.map_or(PATIENCE, Duration::from_secs);
        let email = ask(ADDRESS, "email", patience);
        let email = email.inspect_err(|error| log::debug!("no metadata server: {error}")).ok()?;
        Some(Self { email: text(&email), host: ADDRESS.into() })
    }
}

impl Identity for Metadata {
    fn kind(&self) -> &'static str {
        "metadata_server"
    }

    fn principal(&self) -> Option<String> {
        Some(self.email.clone())
    }

    fn is_local(&self) -> bool {
        is_local(&self.host)
    }

    fn fetch(&self) -> Result<Token, CredentialsError> {
        let scope = SCOPE.replace(':', "%3A").replace('/', "%2F");
        let path = format!("token?scopes={scope}");
        let answer = retry(&Policy::from_env(), || ask(&self.host, &path, LONG_PATIENCE));
        let answer = answer.map_err(|error| no_token(&self.host, error))?;
        let value: Value = serde_json::from_slice(&answer).unwrap_or_default();
        Token::from_oauth(&value).ok_or_else(|| {
            let what = "there is no access token in the answer";
            no_token(&self.host, HttpError::unreadable("GET", &url(&self.host, "token"), &what))
        })
    }
}

fn url(host: &str, path: &str) -> String {
    format!("http://{host}/{ACCOUNT}/{path}")
}

/// No secret goes there, only one comes back; and no proxy is asked.
fn ask(host: &str, path: &str, patience: Duration) -> Result<Vec<u8>, HttpError> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(patience))
        .proxy(None)
        .build()
        .into();
    let url = url(host, path);
    let failed = |error| match error {
        ureq::Error::Timeout(_) => {
            let message = format!("no answer within {} s", patience.as_secs());
            HttpError::no_answer("GET", &url, &message)
        }
        error => no_answer("GET", &url, error),
    };
    let answer = agent.get(&url).header("metadata-flavor", "Google").call().map_err(failed)?;
    // Whatever else answers there is not what the token is for.
    if !is_google(answer.headers()) {
        let what = "the answer does not say that it comes from a metadata server of Google's";
        return Err(HttpError::unreadable("GET", &url, &what));
    }
    let mut answer = success("GET", &url, answer)?;
    answer.body_mut().read_to_vec().map_err(failed)
}

fn is_google(headers: &HeaderMap) -> bool {
    headers.get("metadata-flavor").is_some_and(|value| value == "Google")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn no_token(host: &str, source: HttpError) -> CredentialsError {
    let hint = "look whether a service account is attached to this machine, or set \
                NO_GCE_CHECK=true to do without";
    CredentialsError::no_token(&format!("the metadata server '{host}'"), source, hint.into())
}
