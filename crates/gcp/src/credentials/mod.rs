//! Who asks: where an access token comes from.
//!
//! In this order: a token given outright (`--access-token-file`,
//! `GOOGLE_OAUTH_ACCESS_TOKEN`, `CLOUDSDK_AUTH_ACCESS_TOKEN`,
//! `CLOUDSDK_AUTH_ACCESS_TOKEN_FILE`); nobody, where gcloud's
//! `CLOUDSDK_AUTH_DISABLE_CREDENTIALS` says so; a credentials file that a
//! variable names; the one that gcloud writes for applications; the metadata
//! server; gcloud's own login. An empty variable counts as unset. A service on
//! this machine is asked by nobody, unless the credentials' tokens come from
//! this machine as well. A credential never travels in clear text over a network.

mod authorized_user;
mod error;
mod exchange;
mod executable;
mod external_account;
mod external_user;
mod fields;
mod file;
mod find;
mod gcloud;
mod given;
mod identity;
mod impersonated;
mod metadata;
mod secret;
mod service_account;
mod subject;
mod whoami;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::{debug, log_enabled};
use transport::{is_loopback, may_carry_credentials, redact};

pub use error::CredentialsError;
use find::Login;
use secret::Token;
pub use whoami::Whoami;

/// What every service of ours accepts.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

#[derive(Debug)]
pub struct Credentials {
    /// `--access-token-file`.
    file: Option<PathBuf>,
    /// For services on this machine, and for all others.
    state: Mutex<[Option<State>; 2]>,
}

/// Found once, and a token taken once and used until it expires.
#[derive(Clone, Debug)]
struct State {
    login: Arc<Login>,
    token: Option<Token>,
}

impl Credentials {
    pub fn new(access_token_file: Option<PathBuf>) -> Self {
        Self { file: access_token_file, state: Mutex::default() }
    }

    /// The headers that say who asks, and whose quota is used.
    pub fn headers(&self, url: &str) -> Result<Vec<(&'static str, String)>, CredentialsError> {
        let state = self.fetched(url)?;
        let Some(token) = state.token else { return Ok(Vec::new()) };
        let mut headers = vec![("authorization", format!("Bearer {}", token.value.0))];
        if let Some(project) = &state.login.quota_project {
            headers.push(("x-goog-user-project", project.clone()));
        }
        Ok(headers)
    }

    /// Forgets the tokens. Whether asking for others can help.
    pub fn renew(&self) -> bool {
        let mut renewed = false;
        for state in self.lock().iter_mut().flatten() {
            let renews = state.login.identity.as_ref().is_some_and(|identity| identity.renews());
            renewed |= state.token.take().is_some() && renews;
        }
        renewed
    }

    /// Who asks that service, once a token shows that it is true.
    pub fn whoami(&self, url: &str) -> Result<Whoami, CredentialsError> {
        let state = self.fetched(url)?;
        Ok(Whoami { token: state.token.as_ref().map(Token::lifetime), ..who(&state.login, url) })
    }

    fn fetched(&self, url: &str) -> Result<State, CredentialsError> {
        // Held while a token is fetched: the other threads wait for this one.
        let mut states = self.lock();
        let place = usize::from(is_loopback(url));
        let found = match states[place].take() {
            Some(state) => state,
            None => State { login: self.login(states[1 - place].as_ref(), url)?, token: None },
        };
        let state = states[place].insert(found);
        let Some(identity) = &state.login.identity else { return Ok(state.clone()) };
        if !may_carry_credentials(url) {
            return Err(CredentialsError::ClearText { url: redact(url) });
        }
        if !state.token.as_ref().is_some_and(Token::is_fresh) {
            state.token = Some(identity.fetch()?);
        }
        Ok(state.clone())
    }

    /// What was given outright goes to all services, and a pipe is read once.
    fn login(&self, other: Option<&State>, url: &str) -> Result<Arc<Login>, CredentialsError> {
        let given = other.filter(|state| state.login.is_given());
        let login = match given {
            Some(state) => Arc::clone(&state.login),
            None => Arc::new(match find::given(self.file.as_deref())? {
                Some(login) => login,
                None => find::find(is_loopback(url))?,
            }),
        };
        if log_enabled!(log::Level::Debug) {
            debug!("{}", who(&login, url));
        }
        Ok(login)
    }

    fn lock(&self) -> MutexGuard<'_, [Option<State>; 2]> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn who(login: &Login, url: &str) -> Whoami {
    let identity = login.identity.as_ref();
    Whoami {
        service: redact(url),
        principal: identity.and_then(|identity| identity.principal()),
        via: identity.and_then(|identity| identity.via()),
        kind: identity.map_or("none", |identity| identity.kind()),
        from: login.origin.clone(),
        quota_project: login.quota_project.clone(),
        token: None,
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
