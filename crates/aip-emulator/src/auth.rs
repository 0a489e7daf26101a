//! "Who are you?", if asked to ask.

use axum::extract::{Query, Request, State};
use axum::http::Uri;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::error::ApiError;
use crate::state::App;

/// Any bearer token will do: what matters is that the client sends one. The
/// address of an upload session is a credential of its own.
pub(crate) async fn require(State(app): State<App>, request: Request, next: Next) -> Response {
    if !app.options.require_token || is_session(request.uri()) || has_token(&request) {
        return next.run(request).await;
    }
    let message = "Request is missing required authentication credential. Expected OAuth 2 access \
                   token, login cookie or other valid authentication credential. See \
                   https://developers.google.com/identity/sign-in/web/devconsole-project.";
    ApiError::storage(401, "required", message)
        .at("header", "Authorization")
        .with_status("UNAUTHENTICATED")
        .into_response()
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

fn has_token(request: &Request) -> bool {
    let value = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' '));
    token.is_some_and(|(kind, token)| {
        kind.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()
    })
}
