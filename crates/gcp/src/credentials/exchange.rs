//! Requests to the services that issue tokens.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use log::debug;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use transport::{HttpError, Policy, no_answer, redact, retry, success};
use ureq::http::Request;

use super::secret::{Secret, Token};

/// No answer with a token in it is longer.
const MAX_ANSWER: u64 = 1024 * 1024;

/// An access token from an OAuth 2 endpoint.
pub(super) fn oauth(
    url: &str,
    form: &[(&str, &str)],
    headers: &[(&str, String)],
) -> Result<Token, HttpError> {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<_> =
        form.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    let body = pairs.join("&").into_bytes();
    let answer = post(url, "application/x-www-form-urlencoded", &body, headers)?;
    Token::from_oauth(&answer).ok_or_else(|| HttpError::unreadable("POST", url, &NO_TOKEN))
}

/// The access token of another account, from IAM.
pub(super) fn iam(url: &str, body: &Value, bearer: &Token) -> Result<Token, HttpError> {
    let headers = [("authorization", format!("Bearer {}", bearer.value.0))];
    let answer = post(url, "application/json", body.to_string().as_bytes(), &headers)?;
    Token::from_iam(&answer).ok_or_else(|| HttpError::unreadable("POST", url, &NO_TOKEN))
}

/// How an OAuth 2 client shows who it is.
pub(super) fn basic(id: &str, secret: &Secret) -> Secret {
    Secret(format!("Basic {}", STANDARD.encode(format!("{id}:{}", secret.0))))
}

const NO_TOKEN: &str = "there is no access token in the answer";

fn post(
    url: &str,
    kind: &str,
    body: &[u8],
    headers: &[(&str, String)],
) -> Result<Value, HttpError> {
    let mut headers = headers.to_vec();
    headers.push(("content-type", kind.to_owned()));
    // A token too many harms nobody: all of this may be done twice.
    let answer = retry(&Policy::from_env(), || send("POST", url, &headers, Some(body)))?;
    serde_json::from_slice(&answer)
        .map_err(|_| HttpError::unreadable("POST", url, &"the answer is not JSON"))
}

pub(super) fn get(url: &str, headers: &[(&str, String)]) -> Result<Vec<u8>, HttpError> {
    retry(&Policy::from_env(), || send("GET", url, headers, None))
}

fn send(
    method: &'static str,
    url: &str,
    headers: &[(&str, String)],
    body: Option<&[u8]>,
) -> Result<Vec<u8>, HttpError> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    // What is wrong with a header's value is not said, for the value would be.
    let unusable = |_| HttpError::unreadable(method, url, &"the URL or a header is malformed");
    debug!("{method} {}", redact(url));
    let agent = transport::agent(url);
    let answer = match body {
        Some(body) => agent.run(request.body(body).map_err(unusable)?),
        None => agent.run(request.body(()).map_err(unusable)?),
    };
    let answer = success(method, url, answer.map_err(|error| no_answer(method, url, error))?)?;
    let mut body = Vec::new();
    let mut reader = answer.into_body().into_reader().take(MAX_ANSWER);
    reader.read_to_end(&mut body).map_err(|error| HttpError::no_answer(method, url, &error))?;
    Ok(body)
}
