//! Keeps web pages out.
//!
//! A browser on this machine lets any page send requests to loopback, and what
//! is deployed here is run. Programs send no `Origin`; a page that points its
//! own name at 127.0.0.1 gives that name as `Host`.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::error::ApiError;

pub(crate) async fn admit(request: Request, next: Next) -> Response {
    if [HOST, ORIGIN].iter().all(|header| names_are_local(request.headers(), header)) {
        return next.run(request).await;
    }
    let message = "The emulator answers to programs on this machine only.";
    ApiError::storage(403, "forbidden", message).with_status("PERMISSION_DENIED").into_response()
}

fn names_are_local(headers: &HeaderMap, header: &HeaderName) -> bool {
    headers.get_all(header).into_iter().all(|value| value.to_str().is_ok_and(is_local))
}

/// `[SCHEME://]HOST[:PORT]`
fn is_local(authority: &str) -> bool {
    let authority = authority.split_once("://").map_or(authority, |(_, authority)| authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    let loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    loopback || host.eq_ignore_ascii_case("localhost") || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_origins() {
        for local in ["127.0.0.1:80", "localhost", "LOCALHOST:1", "[::1]:80", "http://127.0.0.1:5"]
        {
            assert!(is_local(local), "{local}");
        }
        for foreign in
            ["evil.example", "https://evil.example", "null", "", "127.0.0.1.evil.example"]
        {
            assert!(!is_local(foreign), "{foreign}");
        }
    }
}
