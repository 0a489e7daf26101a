//! Who asks, in the way that the registry wants it said.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use deployment::Explain;
use log::debug;
use serde_json::Value;
use transport::{Answer, HttpError, may_carry_credentials, no_answer, redact, success};
use ureq::SendBody;
use ureq::http::Request;
use url::Url;

use super::call;
use super::challenge::Challenge;
use super::docker::{self, Login};
use crate::Error;

/// A credential that a caller brings along.
pub trait Credential: Send + Sync {
    /// The value of the `Authorization` header, where there is one for this URL.
    fn authorization(&self, url: &str) -> Result<Option<String>, Box<dyn Explain + Send + Sync>>;

    /// Forgets what was given. Whether asking again can help.
    fn renew(&self) -> bool;
}

pub(super) struct Auth {
    host: String,
    given: Option<Arc<dyn Credential>>,
    login: OnceLock<Option<Login>>,
    granted: Mutex<Granted>,
}

/// What the registry's own dance gave.
#[derive(Default)]
struct Granted {
    header: Option<String>,
    /// All that was ever asked for: a new token is for all of it.
    scopes: BTreeSet<String>,
}

impl Auth {
    pub(super) fn new(host: &str, given: Option<Arc<dyn Credential>>) -> Self {
        Self { host: host.into(), given, login: OnceLock::new(), granted: Mutex::default() }
    }

    /// The `Authorization` header for a request to the registry.
    pub(super) fn header(&self, url: &str) -> Result<Option<String>, Error> {
        let header = match self.given_header(url)? {
            Some(header) => Some(header),
            None => self.granted().header.clone(),
        };
        if header.is_some() && !may_carry_credentials(url) {
            return Err(Error::ClearText { url: redact(url) });
        }
        Ok(header)
    }

    /// After a 401 on a request that went out with `before`: another header to
    /// try, if there is one.
    pub(super) fn another(
        &self,
        url: &str,
        before: Option<&str>,
        answer: &Answer,
    ) -> Result<Option<String>, Error> {
        if before.is_some() && self.given_header(url)?.as_deref() == before {
            let renewed = self.given.as_ref().is_some_and(|given| given.renew());
            return if renewed { self.given_header(url) } else { Ok(None) };
        }
        // Held while a token is fetched: the other threads wait for this one.
        let mut granted = self.granted();
        if granted.header.as_deref() != before {
            return Ok(granted.header.clone());
        }
        let asked = answer.headers().get_all("www-authenticate");
        let asked: Vec<_> = asked.iter().filter_map(|value| value.to_str().ok()).collect();
        let header = match asked.iter().find_map(|text| Challenge::parse(text)) {
            Some(Challenge::Bearer { realm, service, scopes }) => {
                granted.scopes.extend(scopes);
                Some(self.token(&realm, service.as_deref(), &granted.scopes)?)
            }
            Some(Challenge::Basic) => self.login().map(Login::basic),
            None if asked.is_empty() => None,
            None => {
                let challenge = asked.join(", ");
                return Err(Error::Challenge { host: self.host.clone(), challenge });
            }
        };
        // The same again would be refused again.
        let header = header.filter(|header| Some(header.as_str()) != before);
        granted.header.clone_from(&header);
        Ok(header)
    }

    fn given_header(&self, url: &str) -> Result<Option<String>, Error> {
        let Some(given) = &self.given else { return Ok(None) };
        given.authorization(url).map_err(|error| Error::NoCredential {
            host: self.host.clone(),
            kind: error.kind(),
            hint: error.hint(),
            source: error,
        })
    }

    fn login(&self) -> Option<&Login> {
        self.login.get_or_init(|| docker::login(&self.host)).as_ref()
    }

    fn granted(&self) -> MutexGuard<'_, Granted> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scopes: &BTreeSet<String>,
    ) -> Result<String, Error> {
        let mut url =
            Url::parse(realm).map_err(|error| HttpError::unreadable("GET", realm, &error))?;
        for (name, value) in service
            .map(|service| ("service", service))
            .into_iter()
            .chain(scopes.iter().map(|scope| ("scope", scope.as_str())))
        {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut request = Request::get(url.as_str());
        if let Some(login) = self.login() {
            if !may_carry_credentials(realm) {
                return Err(Error::ClearText { url: redact(realm) });
            }
            request = request.header("authorization", login.basic());
        }
        debug!("GET {} for {scopes:?}", redact(realm));
        let request = request
            .body(SendBody::none())
            .map_err(|error| HttpError::unreadable("GET", realm, &error))?;
        let answer =
            transport::agent(realm).run(request).map_err(|error| no_answer("GET", realm, error))?;
        let answer = call::content("GET", realm, success("GET", realm, answer)?)?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str());
        let token = token.filter(|token| token.chars().all(|c| c.is_ascii_graphic()));
        let Some(token) = token else {
            return Err(HttpError::unreadable("GET", realm, &"the answer holds no token").into());
        };
        Ok(format!("Bearer {token}"))
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("host", &self.host).finish_non_exhaustive()
    }
}
