//! What an HTTP request that failed says of itself.

use std::time::{Duration, SystemTime};

use deployment::{Explain, Kind};
use serde_json::Value;
use thiserror::Error;

use crate::host::redact;
use crate::retry::{PATIENCE, Transient};

/// Of a failed answer's body no more than this is read.
pub const MAX_ERROR_BODY: u64 = 64 * 1024;

#[derive(Debug, Error)]
pub enum HttpError {
    /// The service answered, and not with success.
    #[error(
        "{method} {url}: {status}{}{}{}",
        text(" ", code.as_deref()),
        text(": ", message.as_deref()),
        too_long(*retry_after)
    )]
    Answer {
        method: &'static str,
        url: String,
        status: u16,
        /// The service's word for the error: `NOT_FOUND`, `notFound`, `RESOURCE_DOES_NOT_EXIST`.
        code: Option<String>,
        message: Option<String>,
        retry_after: Option<Duration>,
        /// Whatever the status says, it will not pass.
        lasting: bool,
    },
    /// A proxy answered in place of the service.
    #[error("{method} {url}: the proxy in {variable} answered CONNECT with {status}")]
    Proxy { method: &'static str, url: String, variable: String, status: u16 },
    /// There was no answer, or it broke off.
    #[error("{method} {url}: {message}")]
    NoAnswer { method: &'static str, url: String, message: String },
    /// The answer is not what the API promises.
    #[error("{method} {url}: {message}")]
    Unreadable { method: &'static str, url: String, message: String },
}

fn text(prefix: &str, part: Option<&str>) -> String {
    part.map(|part| format!("{prefix}{part}")).unwrap_or_default()
}

fn too_long(asked: Option<Duration>) -> String {
    let asked = asked.filter(|asked| *asked > PATIENCE);
    asked.map(|asked| format!(", and asks for a wait of {} s", asked.as_secs())).unwrap_or_default()
}

impl HttpError {
    /// From an answer's status and the beginning of its body, whatever its form.
    pub fn answer(
        method: &'static str,
        url: &str,
        status: u16,
        retry_after: Option<&str>,
        body: &[u8],
    ) -> Self {
        let (code, message) = describe(body);
        let retry_after = retry_after.and_then(|text| wait_asked(text, SystemTime::now()));
        Self::Answer {
            method,
            url: redact(url),
            status,
            code,
            message,
            retry_after,
            lasting: false,
        }
    }

    /// The same, of which the caller knows that it will not pass.
    #[must_use]
    pub fn for_good(mut self) -> Self {
        if let Self::Answer { lasting, .. } = &mut self {
            *lasting = true;
        }
        self
    }

    pub fn no_answer(method: &'static str, url: &str, message: &impl ToString) -> Self {
        Self::NoAnswer { method, url: redact(url), message: message.to_string() }
    }

    pub fn unreadable(method: &'static str, url: &str, message: &impl ToString) -> Self {
        Self::Unreadable { method, url: redact(url), message: message.to_string() }
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            Self::Proxy { .. } | Self::NoAnswer { .. } | Self::Unreadable { .. } => None,
        }
    }

    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Answer { code, .. } => code.as_deref(),
            Self::Proxy { .. } | Self::NoAnswer { .. } | Self::Unreadable { .. } => None,
        }
    }

    pub fn message(&self) -> &str {
        match self {
            Self::Answer { message, .. } => message.as_deref().unwrap_or_default(),
            Self::NoAnswer { message, .. } | Self::Unreadable { message, .. } => message,
            Self::Proxy { .. } => "",
        }
    }
}

/// `Retry-After` is seconds or a date (RFC 9110, 10.2.3); one that has passed
/// asks for no more.
fn wait_asked(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let date = || httpdate::parse_http_date(text).ok();
    let until = |then: SystemTime| then.duration_since(now).unwrap_or_default();
    text.parse().ok().map(Duration::from_secs).or_else(|| date().map(until))
}

/// Code and message of an error body. Google's, Cloud Storage's, MLflow's,
/// FastAPI's and the registries' are JSON; login pages and proxies are not, and a page of HTML
/// helps nobody.
fn describe(body: &[u8]) -> (Option<String>, Option<String>) {
    let string = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.trim().to_owned()),
        _ => None,
    };
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let text = String::from_utf8_lossy(body);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty());
        return (
            None,
            line.filter(|line| !line.starts_with('<')).map(|line| line.chars().take(300).collect()),
        );
    };
    let error = &value["error"];
    let code = string(&error["status"])
        .or_else(|| string(&error["errors"][0]["reason"]))
        .or_else(|| string(&value["error_code"]))
        .or_else(|| string(&value["errors"][0]["code"]))
        // OAuth 2 has the code where others have the whole error.
        .or_else(|| string(error).filter(|_| value["error_description"].is_string()));
    let message = string(&error["message"])
        .or_else(|| string(&value["error_description"]))
        .or_else(|| string(error))
        .or_else(|| string(&value["message"]))
        .or_else(|| string(&value["detail"]))
        .or_else(|| string(&value["errors"][0]["message"]));
    (code, message)
}

impl Explain for HttpError {
    fn kind(&self) -> Kind {
        match self {
            Self::Answer { lasting: true, .. } => Kind::Refused,
            Self::Answer { status: 408 | 429 | 500..=599, .. }
            | Self::Proxy { status: 408 | 429 | 500..=599, .. }
            | Self::NoAnswer { .. } => Kind::Unavailable,
            Self::Answer { status: 400..=499, .. } | Self::Proxy { .. } => Kind::Refused,
            Self::Answer { .. } | Self::Unreadable { .. } => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let Self::Proxy { variable, status, .. } = self else { return None };
        Some(match status {
            407 => format!("the proxy wants a login: {variable}=http://USER:PASSWORD@HOST:PORT"),
            _ => "the proxy must allow CONNECT to the server's port; NO_PROXY excepts hosts".into(),
        })
    }

    fn http_status(&self) -> Option<u16> {
        self.status()
    }
}

impl Transient for HttpError {
    fn is_transient(&self) -> bool {
        self.kind() == Kind::Unavailable && self.status() != Some(501)
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer { retry_after, .. } => *retry_after,
            Self::Proxy { .. } | Self::NoAnswer { .. } | Self::Unreadable { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: u16, body: &str) -> String {
        HttpError::answer("GET", "http://u:p@h/x?y=z", status, None, body.as_bytes()).to_string()
    }

    #[test]
    fn every_form_of_error_body_is_read() {
        let google = r#"{"error":{"code":403,"message":"No.","status":"PERMISSION_DENIED"}}"#;
        let storage = r#"{"error":{"code":404,"message":"No.","errors":[{"reason":"notFound"}]}}"#;
        let mlflow = r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No."}"#;
        assert_eq!(shown(403, google), "GET http://h/x: 403 PERMISSION_DENIED: No.");
        assert_eq!(shown(404, storage), "GET http://h/x: 404 notFound: No.");
        assert_eq!(shown(404, mlflow), "GET http://h/x: 404 RESOURCE_DOES_NOT_EXIST: No.");
        assert_eq!(shown(404, r#"{"detail":"No."}"#), "GET http://h/x: 404: No.");
        let registry = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"No.","detail":{}}]}"#;
        assert_eq!(shown(404, registry), "GET http://h/x: 404 NAME_UNKNOWN: No.");
        let token = r#"{"error":"invalid_grant","error_description":"No."}"#;
        assert_eq!(shown(400, token), "GET http://h/x: 400 invalid_grant: No.");
        assert_eq!(
            shown(403, "\nInvalid Host header\nmore"),
            "GET http://h/x: 403: Invalid Host header"
        );
        assert_eq!(shown(502, "<html>…"), "GET http://h/x: 502");
        assert_eq!(shown(500, r#"{"error":{"code":"x","message":{}}}"#), "GET http://h/x: 500");
        assert_eq!(shown(500, ""), "GET http://h/x: 500");
    }

    #[test]
    fn only_what_may_pass_is_transient() {
        for (status, transient) in [
            (400, false),
            (401, false),
            (404, false),
            (412, false),
            (408, true),
            (429, true),
            (501, false),
            (503, true),
        ] {
            assert_eq!(
                HttpError::answer("GET", "http://h", status, None, b"").is_transient(),
                transient
            );
        }
        assert!(HttpError::no_answer("GET", "http://h", &"reset").is_transient());
        let lasting = HttpError::answer("GET", "http://h", 500, None, b"").for_good();
        assert!(!lasting.is_transient() && lasting.kind() == Kind::Refused);
        let error = HttpError::answer("GET", "http://h", 429, Some("7"), b"");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_657);
        for (text, seconds) in [
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(120)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait_asked(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
