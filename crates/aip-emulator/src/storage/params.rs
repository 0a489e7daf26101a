//! What handlers take out of a request, with Google's envelope for what is
//! wrong with it.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::header::HOST;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::name;
use super::object::Object;
use super::store::Store;
use crate::error::ApiError;
use crate::state::App;

/// Query parameters.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // The parser would put U+FFFD for what is not UTF-8
        let query = percent_decode_str(parts.uri.query().unwrap_or_default());
        if query.decode_utf8().is_err() {
            return Err(invalid("The query is not in UTF-8."));
        }
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(err) => Err(invalid(&err.body_text())),
        }
    }
}

/// The bucket and the object of the path; the object's name arrives decoded.
pub(super) struct Target {
    pub(super) bucket: String,
    pub(super) object: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((bucket, object)) = path.map_err(|err| invalid(&err.body_text()))?;
        name::check_object(&object)?;
        Ok(Self { bucket, object })
    }
}

/// From where the client looks at resources.
pub(super) struct Origin {
    /// The address it knows this server by, for links in answers
    pub(super) url: String,
    /// False where it asks for fields, a checksum among them, and not for this
    pub(super) shows_md5: bool,
    store: Store,
}

impl Origin {
    /// Read from the content where nobody has wanted it before.
    pub(super) fn md5(&self, object: &Object) -> Option<String> {
        self.shows_md5.then(|| self.store.md5(object))?
    }
}

impl FromRequestParts<App> for Origin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let query = percent_decode_str(parts.uri.query().unwrap_or_default()).decode_utf8_lossy();
        let fields = query.split('&').find_map(|pair| pair.strip_prefix("fields="));
        let shows_md5 = fields.is_none_or(|fields| {
            !fields.contains("crc32c") || fields.contains("md5Hash") || fields.contains('*')
        });
        let url = format!("http://{}", host.unwrap_or("localhost"));
        Ok(Self { url, shows_md5, store: app.storage.clone() })
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::storage(400, "invalid", message)
}

/// A JSON object, or nothing at all.
pub(super) fn json_object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|_| ApiError::storage(400, "parseError", "Parse Error"))
}
