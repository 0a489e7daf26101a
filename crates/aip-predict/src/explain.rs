//! What went wrong with a request for predictions, and what to do about it.

use deployment::Explain;
use gcp::Error;
use serde_json::Value;
use stage::Failure;
use transport::HttpError;

/// The predictor's own failure, whose text is in it.
pub(crate) fn predictor(failure: Failure) -> Failure {
    failure.hint(
        "the predictor could not handle them; \
         compare them with the model's signature and input example",
    )
}

pub(crate) fn ai_platform(error: Error, context: String) -> Failure {
    let status = error.status();
    let failure = Failure::from(error).context(context);
    match status {
        Some(404) => failure.hint("see what is there: aip-version list"),
        Some(403) => failure.hint("the caller needs ml.versions.predict"),
        _ => failure,
    }
}

pub(crate) fn vertex(error: Error, context: String) -> Failure {
    let status = error.status();
    let (message, is_too_large) = (lower(&error), is_too_large(&error));
    let own = own_text(&error);
    let is_own = own.is_some();
    let failure = match (own, status) {
        // What is around it is the service's wrapping.
        (Some(text), Some(status)) => Failure::new(error.kind(), context)
            .because(format!("the container answered {status}: {text}"))
            .http_status(status),
        _ => Failure::from(error).context(context),
    };
    match status {
        _ if is_too_large && !is_own => {
            failure.hint("the answer to one instance may be too large, too: have it say less")
        }
        Some(400) if message.contains("no deployed model") => {
            failure.hint("nothing is deployed there yet: run aip-version create")
        }
        Some(400) if message.contains("traffic assigned") || message.contains("traffic_split") => {
            failure.hint("give a version its traffic: aip-version traffic promote --version-name V")
        }
        Some(400) if message.contains("explanation") => {
            failure.hint("set spec.vertex.model.explanationSpec before aip-version create")
        }
        Some(400 | 422) => predictor(failure),
        Some(403) => failure
            .hint("the caller needs aiplatform.endpoints.predict; roles/aiplatform.user has it"),
        Some(404) => failure.hint("see what is there: aip-model list, aip-version list"),
        Some(429) => failure.hint(
            "the service takes no more of this caller for now; fewer at a time with --jobs, \
             or more replicas with aip-version create --max-replicas",
        ),
        Some(501) => failure.hint("the deployed models do not answer in this way"),
        Some(502..=504) => failure.hint(
            "the container may still be loading its model, or take too long: \
             run it again later, and look at its log in Cloud Logging",
        ),
        _ => failure,
    }
}

/// Whether request or answer are more than the service passes on. The request is
/// not: it was made to fit.
pub(crate) fn is_too_large(error: &Error) -> bool {
    let message = lower(error);
    error.status() == Some(413)
        || message.contains("too large")
        || (message.contains("exceed") && message.contains("limit") && error.status() != Some(429))
}

fn lower(error: &Error) -> String {
    match error {
        Error::Http(error) => error.message().to_lowercase(),
        _ => String::new(),
    }
}

/// What the container said: its body, `{"error": …}`, comes through as it is,
/// or as the text of the service's own error.
fn own_text(error: &Error) -> Option<String> {
    let Error::Http(HttpError::Answer { message: Some(message), .. }) = error else {
        return None;
    };
    let body: Value = serde_json::from_str(message.get(message.find('{')?..)?).ok()?;
    body["error"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: u16, body: &str) -> String {
        let error = HttpError::answer("POST", "http://h", status, None, body.as_bytes());
        format!("{:?}", vertex(error.into(), "cannot".into()))
    }

    #[test]
    fn the_container_is_heard_through_the_service() {
        let wrapped = r#"{"error": {"code": 400, "status": "FAILED_PRECONDITION",
            "message": "{\"error\": \"no column 'x'\"}"}}"#;
        assert!(shown(400, wrapped).contains("400: no column 'x'\""), "{}", shown(400, wrapped));
        assert!(!shown(400, wrapped).contains("FAILED_PRECONDITION"));
        let plain = r#"{"error": "no column 'x'"}"#;
        assert!(shown(400, plain).contains("no column 'x'"));
        assert!(shown(400, plain).contains("signature"));
        let loading = r#"{"error": {"code": 503, "message": "{\"error\": \"loading\"}"}}"#;
        assert!(shown(503, loading).contains("Cloud Logging"));
        assert!(!shown(503, loading).contains("signature"));
    }

    #[test]
    fn each_refusal_has_its_hint() {
        let error = |message: &str| format!(r#"{{"error": {{"message": "{message}"}}}}"#);
        assert!(shown(400, &error("Endpoint e doesn't have traffic_split.")).contains("promote"));
        assert!(shown(400, &error("Response size exceeds the limit")).contains("too large, too"));
        assert!(shown(429, "").contains("--max-replicas"));
        assert!(shown(503, "").contains("loading"));
        assert!(shown(403, "").contains("aiplatform.endpoints.predict"));
    }
}
