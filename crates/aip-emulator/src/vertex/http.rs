//! Requests to containers.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// Shorter than any server keeps a connection open.
const IDLE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub(super) struct Http(Client<HttpConnector, Full<Bytes>>);

/// Why a container gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    TimedOut,
    /// Nobody listens
    Refused,
    Broken,
    TooLarge,
}

impl Default for Http {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build_http())
    }
}

impl Http {
    /// The status of a GET, which must come within `limit`.
    pub(super) async fn status(&self, url: &str, limit: Duration) -> Result<u16, Failed> {
        let uri: Uri = url.parse().map_err(|_| Failed::Broken)?;
        let answer = timeout(limit, self.0.get(uri)).await.map_err(|_| Failed::TimedOut)?;
        Ok(answer.map_err(|err| failed(&err))?.status().as_u16())
    }

    /// Sends a request and gives the answer as it comes.
    pub(super) async fn stream(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Body>, Failed> {
        let answer = timeout(limit, self.0.request(request)).await;
        let answer = answer.map_err(|_| Failed::TimedOut)?.map_err(|err| failed(&err))?;
        Ok(answer.map(Body::new))
    }

    /// Sends a request and gives the whole answer, of at most `max` bytes.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
        max: usize,
    ) -> Result<Response<Bytes>, Failed> {
        let whole = async {
            let (parts, body) = self.stream(request, limit).await?.into_parts();
            let body = Limited::new(body, max).collect().await.map_err(|err| {
                let is_long = err.is::<http_body_util::LengthLimitError>();
                if is_long { Failed::TooLarge } else { Failed::Broken }
            })?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        timeout(limit, whole).await.map_err(|_| Failed::TimedOut)?
    }
}

fn failed(err: &hyper_util::client::legacy::Error) -> Failed {
    if err.is_connect() { Failed::Refused } else { Failed::Broken }
}
