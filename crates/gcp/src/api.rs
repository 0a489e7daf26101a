//! Calls that exchange JSON, over reqwest::blocking.

use std::sync::{Arc, Once};
use std::time::Duration;

use log::{debug, trace};
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect;
use serde_json::Value;
use transport::{HttpError, MAX_ERROR_BODY, Policy, is_loopback, redact, retry, silence};

use crate::{Credentials, Error};

/// One service: where it is, who asks, how patiently.
#[derive(Debug)]
pub struct Api {
    root: String,
    client: Client,
    credentials: Arc<Credentials>,
    policy: Policy,
}

/// A request, ready to be sent or shown.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    /// Below the root, encoded: `/v1/projects/…`.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Vec<u8>>,
}

/// An answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Request {
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None }
    }

    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self
    }

    #[must_use]
    pub fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }
}

impl Api {
    pub fn new(root: String, credentials: Arc<Credentials>) -> Result<Self, Error> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // It fails only where one is installed already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let mut builder = Client::builder()
            .timeout(silence())
            .connect_timeout(Duration::from_secs(15))
            // A redirect would take the token along.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("mlflow-aip/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&root) {
            builder = builder.no_proxy();
        }
        if root.starts_with("http://") {
            // No certificate store is needed, and there may be none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|error| HttpError::no_answer("CONNECT", &root, &innermost(&error)))?;
        Ok(Self { root, client, credentials, policy: Policy::from_env() })
    }

    /// The same caller at another host of the service.
    pub(crate) fn at(&self, root: String) -> Result<Self, Error> {
        Self::new(root, Arc::clone(&self.credentials))
    }

    pub fn root(&self) -> &str {
        &self.root
    }

    /// How a dry run shows a request.
    pub fn describe(&self, request: &Request) -> String {
        let query: Vec<_> =
            request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        format!("{} {}{query} {body}", request.method, self.url(request)).trim_end().to_owned()
    }

    /// Sends it, again where that may help, and reads the JSON answer.
    pub fn call(&self, request: &Request) -> Result<Value, Error> {
        self.read(request, &self.send(request)?)
    }

    /// The same for an answer that is passed on as it came.
    pub fn send(&self, request: &Request) -> Result<Vec<u8>, Error> {
        self.exchange(request).map(|answer| answer.body)
    }

    /// The same where the answer's headers matter, too.
    pub(crate) fn exchange(&self, request: &Request) -> Result<Answer, Error> {
        self.again(|| self.authorized(request))
    }

    /// Sends it once, whatever becomes of it.
    pub(crate) fn call_once(&self, request: &Request) -> Result<Value, Error> {
        self.read(request, &self.authorized(request)?.body)
    }

    /// Does `work` again while that may help, as patiently as this service is asked.
    pub(crate) fn again<T>(&self, work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        retry(&self.policy, work)
    }

    fn read(&self, request: &Request, body: &[u8]) -> Result<Value, Error> {
        serde_json::from_slice(body).map_err(|error| {
            let message = format!("the answer is not JSON: {error}");
            HttpError::unreadable(request.method, &self.url(request), &message).into()
        })
    }

    /// A token may have ended its life since it was taken.
    fn authorized(&self, request: &Request) -> Result<Answer, Error> {
        match self.once(request) {
            Err(error) if error.status() == Some(401) && self.credentials.renew() => {
                self.once(request)
            }
            done => done,
        }
    }

    fn url(&self, request: &Request) -> String {
        format!("{}{}", self.root, request.path)
    }

    fn once(&self, request: &Request) -> Result<Answer, Error> {
        let url = self.url(request);
        let method = request.method;
        let verb = reqwest::Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let mut call = self.client.request(verb, &url).query(&request.query);
        for (name, value) in self.credentials.headers(&url)? {
            call = call.header(name, value);
        }
        if let Some(body) = &request.body {
            call = call.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        debug!("{method} {}", redact(&url));
        let answer = call.send().map_err(|error| {
            if error.is_builder() {
                HttpError::unreadable(method, &url, &innermost(&error))
            } else {
                no_answer(method, &url, &error)
            }
        })?;
        let status = answer.status();
        if !status.is_success() {
            return Err(refusal(method, &url, answer).into());
        }
        let headers = answer.headers().clone();
        let body = answer.bytes().map_err(|error| no_answer(method, &url, &error))?;
        trace!("{status}: {}", String::from_utf8_lossy(&body[..body.len().min(2000)]));
        Ok(Answer { headers, body: body.into() })
    }
}

fn refusal(method: &'static str, url: &str, answer: Response) -> HttpError {
    use std::io::Read as _;

    let status = answer.status().as_u16();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let mut body = Vec::new();
    // What cannot be read of an error's body is not worth another error.
    let _ = answer.take(MAX_ERROR_BODY).read_to_end(&mut body);
    HttpError::answer(method, url, status, retry_after.as_deref(), &body)
}

fn no_answer(method: &'static str, url: &str, error: &reqwest::Error) -> HttpError {
    let message = if error.is_timeout() {
        format!("no answer within {} s", silence().as_secs())
    } else {
        innermost(error)
    };
    HttpError::no_answer(method, url, &message)
}

/// reqwest wraps the reason in layers that say no more than "it failed".
fn innermost(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
