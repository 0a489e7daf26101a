//! The REST client: one server, one login, one retry layer.

use std::fmt::{self, Display};
use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde_json::Value;
use transport::{HttpError, Policy, may_carry_credentials, no_answer_within, retry, success};
use ureq::http::Response;
use ureq::http::header::{
    HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE, SERVER,
};
use ureq::{Agent, Body};

use crate::advice;
use crate::encode::with_query;
use crate::error::Error;
use crate::login::{Credentials, Header, Options, Session};
use crate::server::Server;
use crate::stores::Stores;

/// A listing of 100,000 files is some 10 MB.
const MAX_JSON: u64 = 64 * 1024 * 1024;

/// What the server is made of: its routes for files differ in speed by 40.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Software {
    /// MLflow 2 and the first of 3: the artifact proxy sends line by line,
    /// `/get-artifact` sends files as they are.
    Gunicorn,
    /// Since 3.4: the other way round.
    Uvicorn,
}

#[derive(Debug)]
pub struct Client {
    pub(crate) server: Server,
    agent: Agent,
    stores: Stores,
    session: Session,
    policy: Policy,
    software: OnceLock<Software>,
    answered: AtomicBool,
}

impl Client {
    pub fn new(server: Server, options: Options) -> Result<Self, Error> {
        let options = options.or_by_uri(&server);
        let url = server.to_string();
        if !options.is_anonymous()
            && !options.allow_http_credentials
            && !may_carry_credentials(&url)
        {
            return Err(Error::usage(
                format!("credentials would go to '{server}' in clear text"),
                "use https, or allow it for this server with --allow-http-credentials",
            ));
        }
        Ok(Self {
            agent: transport::agent_with(
                &url,
                options.tls.of_server(&url)?,
                options.patience.silence(),
            ),
            stores: Stores::new(options.tls.clone()),
            server,
            policy: options.patience.policy(),
            session: Session::begin(options)?,
            software: OnceLock::new(),
            answered: AtomicBool::new(false),
        })
    }

    /// The same client for another server, which is told who we are only if it
    /// is the same host.
    pub(crate) fn elsewhere(&self, server: Server) -> Result<Self, Error> {
        let own = server.same_origin(&self.server);
        let options = if own {
            self.session.options().clone()
        } else {
            self.session.options().for_strangers()
        };
        Self::new(server, options)
    }

    /// What speaks to a store behind the server, and does not say who we are.
    pub(crate) fn stranger(&self, url: &str) -> Result<Agent, HttpError> {
        self.stores.agent(url)
    }

    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        route: &str,
        query: &[(&str, &str)],
    ) -> Result<T, HttpError> {
        retry(&self.policy(), || self.get_once(route, query))
    }

    pub(crate) fn get_once<T: DeserializeOwned>(
        &self,
        route: &str,
        query: &[(&str, &str)],
    ) -> Result<T, HttpError> {
        let url = self.server.url(&with_query(route, query));
        log::debug!("GET {url}");
        let send = |login: Option<&_>| self.session.dress(self.agent.get(&url), login).call();
        json("GET", &url, self.send("GET", &url, send)?)
    }

    /// MLflow's searches are POSTs that change nothing: safe to try again.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &Value,
    ) -> Result<T, HttpError> {
        retry(&self.policy(), || self.post_once(route, body))
    }

    pub(crate) fn post_once<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &Value,
    ) -> Result<T, HttpError> {
        let url = self.server.url(route);
        log::debug!("POST {url}");
        let send =
            |login: Option<&_>| self.session.dress(self.agent.post(&url), login).send_json(body);
        json("POST", &url, self.send("POST", &url, send)?)
    }

    pub(crate) fn head(&self, url: &str) -> Result<Response<Body>, HttpError> {
        log::debug!("HEAD {url}");
        self.send("HEAD", url, |login| self.session.dress(self.agent.head(url), login).call())
    }

    /// A file's content, from an offset on if it is still what `validator`
    /// names. Not tried again here: who reads knows how far it came.
    pub(crate) fn open(
        &self,
        url: &str,
        from: Option<(u64, &str)>,
    ) -> Result<Response<Body>, HttpError> {
        self.send("GET", url, |login| {
            let mut request = self.session.dress(self.agent.get(url), login);
            if let Some((offset, validator)) = from {
                request =
                    request.header(RANGE, format!("bytes={offset}-")).header(IF_RANGE, validator);
            }
            request.call()
        })
    }

    /// Asks what a file's content is called now, for the price of a byte: not
    /// every server answers HEAD as it answers GET. If it is called `validator`
    /// still, some answer with 304.
    pub(crate) fn look(&self, url: &str, validator: &str) -> Result<Response<Body>, HttpError> {
        let name = if validator.starts_with('"') { IF_NONE_MATCH } else { IF_MODIFIED_SINCE };
        self.send("GET", url, |login| {
            let request = self.session.dress(self.agent.get(url), login).header(RANGE, "bytes=0-0");
            request.header(&name, validator).call()
        })
    }

    pub(crate) fn software(&self) -> Software {
        *self.software.get_or_init(|| {
            // A proxy in front hid what every answer of MLflow says.
            let url = self.server.url("/version");
            let version = self.open(&url, None).ok().and_then(|response| {
                let mut text = String::new();
                response.into_body().into_reader().take(64).read_to_string(&mut text).ok()?;
                Some(text)
            });
            match version.as_deref().map(|text| text.split('.').collect::<Vec<_>>()).as_deref() {
                Some(["2", ..] | ["3", "0" | "1" | "2" | "3", ..]) => Software::Gunicorn,
                _ => Software::Uvicorn,
            }
        })
    }

    /// The same where nobody needs to know: as far as answers have told.
    pub(crate) fn software_seen(&self) -> Option<Software> {
        self.software.get().copied()
    }

    /// Until it has answered once, a silent server is more likely a wrong
    /// address than trouble that passes.
    fn policy(&self) -> Policy {
        let mut policy = self.policy.clone();
        if !self.answered.load(Ordering::Relaxed) {
            policy.retries = policy.retries.min(1);
        }
        policy
    }

    pub(crate) fn retries(&self) -> Policy {
        self.policy.clone()
    }

    /// Sends a request; once more where the login may just have grown old.
    fn send(
        &self,
        method: &'static str,
        url: &str,
        send: impl Fn(Option<&Credentials>) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, HttpError> {
        let used = self.session.credentials();
        match self.answer(method, url, send(used.as_ref())) {
            Err(error) if error.status() == Some(401) && self.session.renew(used.as_ref()) => {
                self.answer(method, url, send(self.session.credentials().as_ref()))
            }
            answer => answer,
        }
    }

    /// Success, or what the server said instead.
    fn answer(
        &self,
        method: &'static str,
        url: &str,
        response: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, HttpError> {
        let silence = self.session.options().patience.silence();
        let response = response.map_err(|error| no_answer_within(silence, method, url, error))?;
        self.answered.store(true, Ordering::Relaxed);
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match header(SERVER) {
            Some(name) if name.contains("gunicorn") => _ = self.software.set(Software::Gunicorn),
            Some(name) if name.contains("uvicorn") => _ = self.software.set(Software::Uvicorn),
            _ => {}
        }
        let status = response.status();
        log::trace!("{method} {url}: {status}");
        if let Some(location) = header(LOCATION).filter(|_| status.is_redirection()) {
            let said = format!("redirects to {}", transport::redact(location));
            return Err(HttpError::answer(method, url, status.as_u16(), None, said.as_bytes()));
        }
        success(method, url, response).map_err(|error| {
            if error.code() == Some(advice::DISABLED) { error.for_good() } else { error }
        })
    }

    /// Whether a run, or a model, may be out of sight in another workspace.
    pub(crate) fn has_workspaces(&self) -> bool {
        self.session.options().workspace.is_some()
            || self.server_info().is_ok_and(|info| info.workspaces_enabled)
    }

    /// An error with what to do about it.
    pub(crate) fn explain(&self, what: impl Into<String>, source: HttpError) -> Error {
        let hint = self.advice(&source);
        Error::Http { what: what.into(), source: Box::new(source), hint }
    }

    fn advice(&self, error: &HttpError) -> Option<String> {
        let options = self.session.options();
        let named = options.headers.iter().find(|header| header.name == HOST);
        let host = named.map_or(self.server.authority(), Header::value);
        advice::on(error, &self.server, host, options)
    }
}

impl Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

fn json<T: DeserializeOwned>(
    method: &'static str,
    url: &str,
    response: Response<Body>,
) -> Result<T, HttpError> {
    let mut body = Vec::new();
    response
        .into_body()
        .into_reader()
        .take(MAX_JSON + 1)
        .read_to_end(&mut body)
        .map_err(|error| HttpError::no_answer(method, url, &error))?;
    if body.len() as u64 > MAX_JSON {
        return Err(HttpError::unreadable(method, url, &"an answer of more than 64 MiB"));
    }
    serde_json::from_slice(&body).map_err(|error| {
        HttpError::unreadable(method, url, &format!("an answer that is not MLflow's: {error}"))
    })
}
