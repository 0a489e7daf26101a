//! The metadata server of a virtual machine.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::issued::Tokens;
use crate::error::ApiError;
use crate::state::App;

const FLAVOR: &str = "metadata-flavor";
const EMAIL: &str = "emulator@emulator.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Clients look here whether there is one. Others find nothing here.
pub(super) async fn root(headers: HeaderMap) -> Response {
    if headers.contains_key(FLAVOR) {
        return answer(&headers, "computeMetadata/\n".into_response());
    }
    ApiError::storage(404, "notFound", "Not Found").into_response()
}

pub(super) async fn get(
    State(app): State<App>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let found = match path.as_str() {
        "project/project-id" => "emulator".into_response(),
        "project/numeric-project-id" => "123456789012".into_response(),
        "universe/universe-domain" => "googleapis.com".into_response(),
        "instance/service-accounts/" => format!("default/\n{EMAIL}/\n").into_response(),
        _ => account(&app.tokens, &path, &query.unwrap_or_default()),
    };
    answer(&headers, found)
}

fn account(tokens: &Tokens, path: &str, query: &str) -> Response {
    let rest =
        path.strip_prefix("instance/service-accounts/").and_then(|rest| rest.split_once('/'));
    match rest {
        Some(("default" | EMAIL, field)) => match field {
            "token" => Json(tokens.answer(EMAIL)).into_response(),
            "email" => EMAIL.into_response(),
            "scopes" => format!("{SCOPE}\n").into_response(),
            "aliases" => "default\n".into_response(),
            "" if query.contains("recursive=true") => {
                let about = json!({"aliases": ["default"], "email": EMAIL, "scopes": [SCOPE]});
                Json(about).into_response()
            }
            "" => "aliases\nemail\nscopes\ntoken\n".into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The header proves that neither side was led here by accident; a proxy's
/// header, that somebody was.
fn answer(headers: &HeaderMap, found: Response) -> Response {
    let asked = headers.get(FLAVOR).is_some_and(|flavor| flavor == "Google");
    let mut answer = if asked && !headers.contains_key("x-forwarded-for") {
        found
    } else {
        (StatusCode::FORBIDDEN, "Missing Metadata-Flavor:Google header.\n").into_response()
    };
    answer.headers_mut().insert(FLAVOR, HeaderValue::from_static("Google"));
    answer
}
