//! What ureq's answers and failures mean.

use std::io::Read;
use std::time::Duration;

use ureq::Body;
use ureq::http::Response;

use crate::agent::silence;
use crate::error::{HttpError, MAX_ERROR_BODY};
use crate::host::redact;
use crate::proxy::named_by;

pub type Answer = Response<Body>;

/// An answer of success, or what the service said instead.
pub fn success(method: &'static str, url: &str, answer: Answer) -> Result<Answer, HttpError> {
    let status = answer.status().as_u16();
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let mut body = Vec::new();
    // What cannot be read of an error's body is not worth another error.
    let _ = answer.into_body().into_reader().take(MAX_ERROR_BODY).read_to_end(&mut body);
    Err(HttpError::answer(method, url, status, retry_after.as_deref(), &body))
}

pub fn no_answer(method: &'static str, url: &str, error: ureq::Error) -> HttpError {
    no_answer_within(silence(), method, url, error)
}

/// The same of an agent that waits as long as this.
pub fn no_answer_within(
    silence: Duration,
    method: &'static str,
    url: &str,
    error: ureq::Error,
) -> HttpError {
    let variable = named_by(url);
    if let (ureq::Error::ConnectProxyFailed(said), Some(variable)) = (&error, &variable)
        && let Some(status) = refusal(said)
    {
        let (url, variable) = (redact(url), variable.clone());
        return HttpError::Proxy { method, url, variable, status };
    }
    let message = match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", silence.as_secs()),
        other => other.to_string(),
    };
    let message = match variable {
        Some(variable) => format!("{message} (by way of the proxy in {variable})"),
        None => message,
    };
    HttpError::no_answer(method, url, &message)
}

/// The status in ureq's words, which have it twice: `… responded 403/403`.
fn refusal(said: &str) -> Option<u16> {
    said.strip_prefix("proxy server responded ")?.split('/').next()?.parse().ok()
}
