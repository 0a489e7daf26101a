//! Which hosts may be trusted with what.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether the URL's host is this machine.
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// Whether the URL's host is the hypervisor's own network, which no cable
/// carries: there the clouds' metadata servers are, and they speak plain http.
pub fn is_link_local(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local())
}

/// Whether a credential may be sent there: never in clear text over a network.
pub fn may_carry_credentials(url: &str) -> bool {
    url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) || is_loopback(url)
}

/// The URL without what must not be shown: user, password, and the values of
/// the query, where upload sessions and signatures are.
pub fn redact(url: &str) -> String {
    let parsed = Url::parse(url).ok().filter(|parsed| !parsed.cannot_be_a_base());
    let Some(mut parsed) = parsed else { return without_secrets(url) };
    // Both fail only where a URL can have no user.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.set_query(None);
    parsed.set_fragment(None);
    parsed.into()
}

/// The same for what is no URL: a password that should have been encoded may
/// hold anything, so all that is before the last `@` goes.
pub fn without_secrets(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_decided_by_the_host_alone() {
        for url in [
            "http://127.0.0.1:80/x",
            "http://localhost:5000",
            "http://[::1]:1/",
            "https://127.9.9.9",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com",
            "http://user:127.0.0.1@example.com",
            "http://10.0.0.1",
            "127.0.0.1:5000",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn metadata_servers_are_near() {
        assert!(is_link_local("http://169.254.169.254/metadata/identity/oauth2/token"));
        assert!(!is_link_local("http://169.254.169.254.example.com/"));
        assert!(!is_link_local("http://10.0.0.1/") && !is_link_local("169.254.169.254"));
    }

    #[test]
    fn credentials_need_https_or_loopback() {
        assert!(may_carry_credentials("https://ml.googleapis.com/"));
        assert!(may_carry_credentials("HTTPS://ml.googleapis.com/"));
        assert!(may_carry_credentials("http://127.0.0.1:1/"));
        assert!(!may_carry_credentials("http://ml.googleapis.com/"));
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(redact("http://u:p@h:1/a%2Fb?upload_id=s#f"), "http://h:1/a%2Fb");
        assert_eq!(redact("not a url?token=s"), "not a url");
        assert_eq!(redact("http://u:p/?#@h:x/a?b"), "http://h:x/a");
        assert_eq!(redact("x://u:p@"), "x://");
    }
}
