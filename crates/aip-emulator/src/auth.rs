//! "Who are you?", if asked to ask.

use axum::extract::{Query, Request, State};
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::error::ApiError;
use crate::state::App;
use crate::token::bearer;

/// Any bearer token will do that is not one of the emulator's own and dead: what
/// matters is that the client sends one. The address of an upload session is a
/// credential of its own.
pub(crate) async fn require(State(app): State<App>, request: Request, next: Next) -> Response {
    let token = bearer(request.headers());
    let admitted = token.is_some_and(|token| app.tokens.admit(token));
    if !app.options.require_token || is_session(request.uri()) || admitted {
        return next.run(request).await;
    }
    refusal(token.is_some_and(|token| !token.is_empty())).into_response()
}

/// 401 for no token at all, or for one that is not valid.
pub(crate) fn refusal(tried: bool) -> ApiError {
    const EXPECTED: &str = "Expected OAuth 2 access token, login cookie or other valid \
                            authentication credential. See \
                            https://developers.google.com/identity/sign-in/web/devconsole-project.";
    let (reason, what) = if tried {
        ("authError", "Request had invalid authentication credentials.")
    } else {
        ("required", "Request is missing required authentication credential.")
    };
    ApiError::storage(401, reason, format!("{what} {EXPECTED}"))
        .at("header", "Authorization")
        .with_status("UNAUTHENTICATED")
}

#[derive(Deserialize)]
struct SessionParams {
    upload_id: Option<String>,
}

/// Only what uploads asks for the session; elsewhere its id opens nothing.
fn is_session(uri: &Uri) -> bool {
    let is_upload = ["/upload/", "/resumable/"].iter().any(|root| uri.path().starts_with(root));
    let params = Query::<SessionParams>::try_from_uri(uri);
    is_upload && params.is_ok_and(|Query(params)| params.upload_id.is_some())
}
