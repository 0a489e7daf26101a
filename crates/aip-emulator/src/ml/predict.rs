//! projects.predict

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::catalog::State;
use super::refusal::{malformed, precondition, quota, unimplemented};
use super::router::Call;
use crate::api::stamp::now;
use crate::error::ApiError;
use crate::runtime::PredictError;

/// 1.5 MB
const MAX_REQUEST: usize = 1_572_864;

/// The request's body goes to the version's worker and the worker's answer
/// back, both byte for byte: a number that passed through here would not stay
/// what the client wrote.
pub(super) async fn predict(
    call: &Call,
    project: &str,
    model: &str,
    version: Option<&str>,
) -> Result<Response, ApiError> {
    if call.body.len() > MAX_REQUEST {
        return Err(too_large());
    }
    let (version, dir) = call.ml().catalog.read(|catalog| {
        let found = catalog.model(project, model)?;
        let name = version.or(found.default_version.as_deref()).ok_or_else(|| {
            precondition("name", "The model has no default version; create a version first.")
        })?;
        let version = found.version(name)?;
        if !matches!(version.state, State::Ready | State::Updating) {
            let text = "Online prediction is unavailable for this version. Please verify that \
                        CreateVersion has completed successfully.";
            return Err(precondition("name", text));
        }
        Ok((name.to_owned(), version.dir.clone()))
    })?;
    let workers = &call.ml().workers;
    // A worker may have ended since the last request: that is worth one more.
    for _ in 0..2 {
        let worker = call.app.ml.worker(project, model, &version, &dir).await?;
        match worker.predict(call.body.clone()).await {
            Ok(body) => {
                note_use(call, project, model, &version);
                return Ok(answer(body));
            }
            Err(PredictError::Busy) => {
                return Err(quota("Too many requests wait for this version already."));
            }
            Err(failed) => {
                workers.drop_broken(&dir, &worker).await;
                if failed != PredictError::Gone {
                    return Err(broken(failed));
                }
            }
        }
    }
    Err(broken(PredictError::Gone))
}

fn answer(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn note_use(call: &Call, project: &str, model: &str, version: &str) {
    call.ml().catalog.touch(|catalog| {
        if let Ok(version) = catalog.model_mut(project, model).and_then(|m| m.version_mut(version))
        {
            version.last_use_time = Some(now());
        }
    });
}

fn broken(failed: PredictError) -> ApiError {
    match failed {
        PredictError::TimedOut => {
            ApiError::new(504, "DEADLINE_EXCEEDED", "The prediction took more than 60 seconds.")
        }
        _ => ApiError::new(503, "UNAVAILABLE", "The prediction server ended over the request."),
    }
}

pub(super) fn too_large() -> ApiError {
    malformed(&format!("Request payload size exceeds the limit: {MAX_REQUEST} bytes."))
}

/// The service explained TensorFlow models only.
pub(super) fn no_explanation() -> ApiError {
    unimplemented("explanations, which the service gave for TensorFlow models only")
}
