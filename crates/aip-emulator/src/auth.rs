//! "Who are you?", if asked to ask.

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::error::ApiError;
use crate::state::App;

/// Any bearer token will do: what matters is that the client sends one. The
/// address of an upload session is a credential of its own.
pub(crate) async fn require(State(app): State<App>, request: Request, next: Next) -> Response {
    let session = request.uri().query().is_some_and(|query| query.contains("upload_id="));
    if !app.options.require_token || session || has_token(&request) {
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

fn has_token(request: &Request) -> bool {
    let value = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' '));
    token.is_some_and(|(kind, token)| {
        kind.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()
    })
}
