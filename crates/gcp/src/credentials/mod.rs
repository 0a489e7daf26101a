//! Who asks: where an access token comes from.
//!
//! In this order: a token given outright (`--access-token-file`,
//! `GOOGLE_OAUTH_ACCESS_TOKEN`, `CLOUDSDK_AUTH_ACCESS_TOKEN`,
//! `CLOUDSDK_AUTH_ACCESS_TOKEN_FILE`); nobody, where gcloud's
//! `CLOUDSDK_AUTH_DISABLE_CREDENTIALS` says so; a service account's key in
//! `GOOGLE_APPLICATION_CREDENTIALS`; nobody, for a service on this machine;
//! gcloud. A credential never travels in clear text over a network.

mod error;
mod gcloud;
mod key;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};

use gcp_auth::{Token, TokenProvider};
use log::debug;
use transport::{is_loopback, may_carry_credentials, redact};

pub use error::CredentialsError;
use key::Key;

/// What every service of ours accepts.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

#[derive(Debug)]
pub struct Credentials {
    /// `--access-token-file`.
    file: Option<PathBuf>,
    /// What that file holds: read once, for it may be a pipe.
    given: Mutex<Option<String>>,
    /// Taken once and used until it expires.
    token: Mutex<Option<Arc<Token>>>,
    /// Where the token comes from is said once, not for each request.
    said: Once,
}

/// Where a token comes from.
#[derive(Debug)]
enum Source {
    Anonymous(&'static str),
    Given { token: String, from: String },
    Key(Key),
    Gcloud,
}

impl Source {
    fn describe(&self) -> String {
        match self {
            Self::Anonymous(why) => format!("no credentials: {why}"),
            Self::Given { from, .. } => format!("access token from {from}"),
            Self::Key(key) => format!("access token for '{}' from {}", key.email, key.from()),
            Self::Gcloud => "access token from gcloud".into(),
        }
    }
}

impl Credentials {
    pub fn new(access_token_file: Option<PathBuf>) -> Self {
        Self {
            file: access_token_file,
            given: Mutex::default(),
            token: Mutex::default(),
            said: Once::new(),
        }
    }

    /// The headers that say who asks.
    pub fn headers(&self, url: &str) -> Result<Vec<(&'static str, String)>, CredentialsError> {
        let Some(token) = self.token(url)? else { return Ok(Vec::new()) };
        let mut headers = vec![("authorization", format!("Bearer {token}"))];
        let quota = ["GOOGLE_CLOUD_QUOTA_PROJECT", "CLOUDSDK_BILLING_QUOTA_PROJECT"];
        if let Some(project) = quota.into_iter().find_map(env) {
            headers.push(("x-goog-user-project", project));
        }
        Ok(headers)
    }

    /// Forgets the token. Whether asking for another can help.
    pub fn renew(&self) -> bool {
        let fetched = self.token.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_file = self.file.as_ref().is_some_and(|path| path.is_file());
        // Somebody may write a new token there while we wait.
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner).take_if(|_| is_file);
        fetched.is_some() || given.is_some()
    }

    fn token(&self, url: &str) -> Result<Option<String>, CredentialsError> {
        let source = self.source(url)?;
        self.said.call_once(|| debug!("{}", source.describe()));
        if !matches!(source, Source::Anonymous(_)) && !may_carry_credentials(url) {
            return Err(CredentialsError::ClearText { url: redact(url) });
        }
        // Held while a token is fetched: the other threads wait for this one.
        let mut cached = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = cached.as_ref().filter(|token| !token.has_expired()) {
            return Ok(Some(token.as_str().to_owned()));
        }
        let token = match source {
            Source::Anonymous(_) => return Ok(None),
            Source::Given { token, .. } => return Ok(Some(token)),
            Source::Key(key) => {
                fetch(&key.from(), async || Ok(Arc::new(key.account()?) as Arc<dyn TokenProvider>))?
            }
            Source::Gcloud => {
                gcloud::check()?;
                fetch("gcloud", async || {
                    Ok(Arc::new(gcp_auth::GCloudAuthorizedUser::new().await?) as _)
                })?
            }
        };
        Ok(Some(cached.insert(token).as_str().to_owned()))
    }

    fn source(&self, url: &str) -> Result<Source, CredentialsError> {
        if let Some(path) = &self.file {
            let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            let token = match &*given {
                Some(token) => token.clone(),
                None => given.insert(token_in_file(path)?).clone(),
            };
            return Ok(Source::Given { token, from: format!("'{}'", path.display()) });
        }
        for name in ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"] {
            if let Some(token) = env(name) {
                let token = token.trim().to_owned();
                if !token.chars().all(|c| c.is_ascii_graphic()) {
                    return Err(CredentialsError::NotAToken { path: name.into() });
                }
                return Ok(Source::Given { token, from: name.into() });
            }
        }
        if let Some(path) = env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE") {
            let token = token_in_file(Path::new(&path))?;
            return Ok(Source::Given { token, from: format!("'{path}'") });
        }
        if env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return Ok(Source::Anonymous("CLOUDSDK_AUTH_DISABLE_CREDENTIALS is set"));
        }
        if let Some(path) = env("GOOGLE_APPLICATION_CREDENTIALS") {
            let key = Key::read(PathBuf::from(path))?;
            // An emulator gets a token only from an emulator: a real one is
            // neither fetched for it nor shown to it.
            if !is_loopback(url) || is_loopback(&key.token_uri) {
                return Ok(Source::Key(key));
            }
        }
        if is_loopback(url) {
            return Ok(Source::Anonymous("the service is on this machine"));
        }
        Ok(Source::Gcloud)
    }
}

fn token_in_file(path: &Path) -> Result<String, CredentialsError> {
    let text = std::fs::read_to_string(path).map_err(|source| CredentialsError::Unreadable {
        path: path.display().to_string(),
        source,
    })?;
    let token = text.trim().to_owned();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(CredentialsError::NotAToken { path: path.display().to_string() });
    }
    Ok(token)
}

/// Runs gcp_auth on a runtime of its own, gone before reqwest's blocking calls.
fn fetch(
    from: &str,
    provider: impl AsyncFnOnce() -> Result<Arc<dyn TokenProvider>, gcp_auth::Error>,
) -> Result<Arc<Token>, CredentialsError> {
    let no_token = |source| CredentialsError::NoToken { from: from.to_owned(), source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| no_token(gcp_auth::Error::Io("cannot start a runtime", error)))?;
    runtime.block_on(async { provider().await?.token(&[SCOPE]).await }).map_err(no_token)
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
