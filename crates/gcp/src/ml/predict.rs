//! Online prediction.

use serde::Deserialize;
use serde_json::value::RawValue;
use transport::HttpError;

use crate::api::Request;
use crate::{Error, Service};

/// The largest request body that the service takes.
/// <https://cloud.google.com/ai-platform/prediction/docs/online-predict>
pub const REQUEST_LIMIT: usize = 1_500_000;

/// The answer, its parts as they came.
#[derive(Debug, Deserialize)]
struct Answer {
    predictions: Option<Box<RawValue>>,
    error: Option<Box<RawValue>>,
}

/// Asks a model (its default version) or a version. The body is sent as it
/// is, and the predictions come back as the service wrote them.
///
/// The service answers 200 even where the predictor fails, and says so in
/// the body.
pub fn predict(
    service: &Service,
    name: &str,
    body: Vec<u8>,
) -> Result<Result<Box<RawValue>, String>, Error> {
    let path = format!("/v1/{name}:predict");
    let request = Request { body: Some(body), ..Request::new("POST", path) };
    let answer = service.api().send(&request)?;
    let url = format!("{}{}", service.api().root(), request.path);
    let answer: Answer = serde_json::from_slice(&answer).map_err(|error| {
        HttpError::unreadable("POST", &url, &format!("the answer is not JSON: {error}"))
    })?;
    match (answer.error, answer.predictions) {
        (Some(error), _) => {
            Ok(Err(serde_json::from_str(error.get()).unwrap_or_else(|_| error.to_string())))
        }
        (None, Some(predictions)) => Ok(Ok(predictions)),
        (None, None) => {
            Err(HttpError::unreadable("POST", &url, &"the answer has no predictions").into())
        }
    }
}
