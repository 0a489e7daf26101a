//! The REST client: one server, one login, one retry layer.

use std::fmt::{self, Display};
use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde_json::Value;
use transport::{HttpError, MAX_ERROR_BODY, Policy, may_carry_credentials, retry, silence};
use ureq::http::Response;
use ureq::http::header::{AUTHORIZATION, IF_RANGE, LOCATION, RANGE, RETRY_AFTER, SERVER};
use ureq::{Agent, Body};

use crate::credentials::Credentials;
use crate::encode::with_query;
use crate::error::Error;
use crate::server::Server;

/// A listing of 100,000 files is some 10 MB.
const MAX_JSON: u64 = 64 * 1024 * 1024;

/// How to speak to a tracking server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub credentials: Option<Credentials>,
    /// MLflow 3's workspace.
    pub workspace: Option<String>,
    /// Send the credentials in clear text over a network.
    pub allow_http_credentials: bool,
}

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
    options: Options,
    policy: Policy,
    software: OnceLock<Software>,
    answered: AtomicBool,
}

impl Client {
    pub fn new(server: Server, mut options: Options) -> Result<Self, Error> {
        if let Some(userinfo) = server.userinfo() {
            options.credentials = Some(userinfo.clone());
        }
        let url = server.to_string();
        if options.credentials.is_some()
            && !options.allow_http_credentials
            && !may_carry_credentials(&url)
        {
            return Err(Error::usage(
                format!("credentials would go to '{server}' in clear text"),
                "use https, or allow it for this server with --allow-http-credentials",
            ));
        }
        if options
            .workspace
            .as_ref()
            .is_some_and(|name| !name.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(Error::usage(
                "the name of the MLflow workspace holds characters that no workspace has",
                "set MLFLOW_WORKSPACE to the workspace's name",
            ));
        }
        Ok(Self {
            agent: transport::agent(&url),
            server,
            options,
            policy: Policy::from_env(),
            software: OnceLock::new(),
            answered: AtomicBool::new(false),
        })
    }

    /// The same client for another server, which is told our credentials only
    /// if it is the same host.
    pub(crate) fn elsewhere(&self, server: Server) -> Result<Self, Error> {
        let mut options = self.options.clone();
        if !server.same_origin(&self.server) {
            options.credentials = None;
        }
        Self::new(server, options)
    }

    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        route: &str,
        query: &[(&str, &str)],
    ) -> Result<T, HttpError> {
        let url = self.server.url(&with_query(route, query));
        retry(&self.policy(), || {
            let request = self.agent.get(&url);
            json("GET", &url, self.answer("GET", &url, self.dress(request).call())?)
        })
    }

    /// MLflow's searches are POSTs that change nothing: safe to try again.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &Value,
    ) -> Result<T, HttpError> {
        let url = self.server.url(route);
        retry(&self.policy(), || {
            let request = self.agent.post(&url);
            json("POST", &url, self.answer("POST", &url, self.dress(request).send_json(body))?)
        })
    }

    pub(crate) fn head(&self, url: &str) -> Result<Response<Body>, HttpError> {
        self.answer("HEAD", url, self.dress(self.agent.head(url)).call())
    }

    /// A file's content, from an offset on if it is still what `validator`
    /// names. Not tried again here: who reads knows how far it came.
    pub(crate) fn open(
        &self,
        url: &str,
        from: Option<(u64, &str)>,
    ) -> Result<Response<Body>, HttpError> {
        let mut request = self.dress(self.agent.get(url));
        if let Some((offset, validator)) = from {
            request = request.header(RANGE, format!("bytes={offset}-")).header(IF_RANGE, validator);
        }
        self.answer("GET", url, request.call())
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

    /// Until it has answered once, a silent server is more likely a wrong
    /// address than trouble that passes.
    fn policy(&self) -> Policy {
        let mut policy = self.policy;
        if !self.answered.load(Ordering::Relaxed) {
            policy.retries = policy.retries.min(1);
        }
        policy
    }

    pub(crate) fn retries(&self) -> Policy {
        self.policy
    }

    fn dress<B>(&self, mut request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        if let Some(credentials) = &self.options.credentials {
            request = request.header(AUTHORIZATION, credentials.header());
        }
        if let Some(workspace) = &self.options.workspace {
            request = request.header("X-MLFLOW-WORKSPACE", workspace);
        }
        request
    }

    /// Success, or what the server said instead.
    fn answer(
        &self,
        method: &'static str,
        url: &str,
        response: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, HttpError> {
        let response = response.map_err(|error| no_answer(method, url, error))?;
        self.answered.store(true, Ordering::Relaxed);
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        match header(SERVER) {
            Some(name) if name.contains("gunicorn") => _ = self.software.set(Software::Gunicorn),
            Some(name) if name.contains("uvicorn") => _ = self.software.set(Software::Uvicorn),
            _ => {}
        }
        let status = response.status();
        log::trace!("{method} {}: {status}", transport::redact(url));
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = header(RETRY_AFTER).map(str::to_owned);
        let mut body = Vec::new();
        if let Some(location) = header(LOCATION).filter(|_| status.is_redirection()) {
            body = format!("redirects to {}", transport::redact(location)).into_bytes();
        } else {
            // A body that breaks off explains as far as it goes.
            let reader = response.into_body().into_reader();
            _ = reader.take(MAX_ERROR_BODY).read_to_end(&mut body);
        }
        Err(HttpError::answer(method, url, status.as_u16(), retry_after.as_deref(), &body))
    }

    /// An error with what to do about it.
    pub(crate) fn explain(&self, what: impl Into<String>, source: HttpError) -> Error {
        let hint = self.advice(&source);
        Error::Http { what: what.into(), source: Box::new(source), hint }
    }

    fn advice(&self, error: &HttpError) -> Option<String> {
        let server = &self.server;
        match (error, error.status()) {
            (HttpError::NoAnswer { .. }, _) => Some(format!(
                "is an MLflow server running at '{server}'? --tracking-uri, spec.trackingUri, \
                 tracking_uri or MLFLOW_TRACKING_URI says where it is"
            )),
            (_, Some(401)) if self.options.credentials.is_none() => Some(
                "the server wants a login: set MLFLOW_TRACKING_USERNAME and \
                 MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
                    .into(),
            ),
            (_, Some(401)) => Some(
                "the server does not accept this login: look at MLFLOW_TRACKING_USERNAME and \
                 MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, or the user in the tracking URI"
                    .into(),
            ),
            (_, Some(403)) if error.message().contains("Invalid Host header") => Some(format!(
                "the server does not know itself by this name: start it with \
                 --allowed-hosts '{}'",
                server.authority()
            )),
            (_, Some(300..=399)) => Some("give the address it redirects to as --tracking-uri".into()),
            (HttpError::Unreadable { .. }, _) | (_, Some(404)) if error.code().is_none() => {
                Some(format!("is '{server}' an MLflow tracking server?"))
            }
            _ => None,
        }
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

fn no_answer(method: &'static str, url: &str, error: ureq::Error) -> HttpError {
    let message = match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", silence().as_secs()),
        other => other.to_string(),
    };
    HttpError::no_answer(method, url, &message)
}
