//! What `WWW-Authenticate` says.

use std::collections::BTreeSet;

/// How a registry wants to be told who asks.
#[derive(Debug, PartialEq)]
pub(super) enum Challenge {
    /// With a token from `realm`, for these scopes.
    Bearer {
        realm: String,
        service: Option<String>,
        scopes: BTreeSet<String>,
    },
    Basic,
}

impl Challenge {
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut realm = None;
        let mut service = None;
        let mut scopes = BTreeSet::new();
        for (name, value) in parameters(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scopes.extend(value.split_whitespace().map(str::to_owned)),
                _ => {}
            }
        }
        Some(Self::Bearer { realm: realm?, service, scopes })
    }
}

/// `name="value"` with commas between them, and in the values.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_owned();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        found.push((name, value.trim().to_owned()));
        text = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push repository:c:pull""#;
        let Some(Challenge::Bearer { realm, service, scopes }) = Challenge::parse(hub) else {
            panic!("no challenge");
        };
        assert_eq!(realm, "https://auth.docker.io/token");
        assert_eq!(service.as_deref(), Some("registry.docker.io"));
        assert_eq!(
            scopes.into_iter().collect::<Vec<_>>(),
            ["repository:a/b:pull,push", "repository:c:pull"]
        );
        assert_eq!(Challenge::parse("basic realm=\"x\""), Some(Challenge::Basic));
        assert!(matches!(
            Challenge::parse("Bearer realm=http://h/t, service=s"),
            Some(Challenge::Bearer { realm, service: Some(s), .. }) if realm == "http://h/t" && s == "s"
        ));
        assert_eq!(Challenge::parse("Bearer service=\"x\""), None);
        assert_eq!(Challenge::parse("Negotiate"), None);
    }
}
