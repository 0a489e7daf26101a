//! Access tokens, as Google's services give them: the OAuth 2 endpoint, the
//! Security Token Service, IAM Credentials and the metadata server.
//!
//! The emulator knows no accounts and keeps no secrets. Whatever looks right is
//! right, but for what begins with [`REVOKED`]: that is refused in Google's words.

mod iam;
mod issued;
mod jwt;
mod metadata;
mod oauth;
mod refusal;
mod sts;

use axum::Router;
use axum::routing::{get, post};

use crate::state::App;

pub(crate) use issued::{Tokens, bearer};

/// How wrong secrets and accounts begin.
const REVOKED: &str = "revoked";

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/token", post(oauth::token))
        .route("/v1/token", post(sts::exchange))
        .route("/v1/oauthtoken", post(sts::refresh))
        .route("/v1/projects/{project}/serviceAccounts/{call}", post(iam::generate))
        .route("/", get(metadata::root))
        .route("/computeMetadata/v1/{*path}", get(metadata::get))
}
