//! What must hold of every URI, whatever is in it.

use mlflow::{Location, ModelUri, Proxy, TrackingUri};
use proptest::prelude::*;

const ID: &str = "0123456789abcdef0123456789abcdef";

/// Text of what URIs are made of, so that random input is not all refused for
/// its first letter.
fn likely() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "runs:",
        "models:",
        "mlflow-artifacts:",
        "file:",
        "gs:",
        "s3:",
        "http:",
        "https:",
        "RUNS:",
        "/",
        "//",
        "///",
        "@",
        ":",
        "?",
        "#",
        "%",
        "%2e%2e",
        "%2F",
        "..",
        ".",
        "\\",
        "\0",
        "\n",
        " ",
        "m-",
        ID,
        "latest",
        "Production",
        "1",
        "é",
        "日本",
        "localhost",
        "[::1]",
        ":5000",
        "//user:pass@",
        "/api/2.0/mlflow-artifacts/artifacts",
        "a",
    ]);
    prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
}

/// A path's component, as odd as they come.
fn name() -> impl Strategy<Value = String> {
    "[^/\0]{1,12}".prop_filter("a step", |name| !matches!(name.as_str(), "." | ".."))
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 0..4).prop_map(|names| names.join("/"))
}

fn is_clean(path: &str) -> bool {
    path.is_empty() || path.split('/').all(|step| !matches!(step, "" | "." | ".."))
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(uri) = text.parse::<ModelUri>() else { return Ok(()) };
    let path = match &uri {
        ModelUri::Run { path, .. }
        | ModelUri::Registered { path, .. }
        | ModelUri::Logged { path, .. } => path.clone().unwrap_or_default(),
        ModelUri::Location(Location::Proxied { path, .. }) => path.clone(),
        ModelUri::Location(_) => String::new(),
    };
    prop_assert!(is_clean(&path), "{text:?} leads out: {path:?}");
    let shown = uri.to_string();
    // Stores that nobody here reads are shown without their logins, which stand
    // before the host; a path may have an @ in it.
    if matches!(uri, ModelUri::Location(Location::Other { .. })) {
        let login = |uri: &str| match uri.split_once("://") {
            Some((scheme, rest)) => !scheme.contains([':', '/']) && rest.starts_with("user:"),
            None => false,
        };
        prop_assert!(!login(text) || !login(&shown), "{text:?} is shown as {shown:?}");
    } else {
        prop_assert_eq!(shown.parse::<ModelUri>().ok(), Some(uri), "{:?} as {:?}", text, shown);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_shown_can_be_given_again_and_leads_nowhere_else(text in likely()) {
        check(&text)?;
    }

    #[test]
    fn anything_at_all_is_read_or_refused(text in any::<String>()) {
        check(&text)?;
        let Ok(uri) = text.parse::<TrackingUri>();
        let _ = uri.target();
    }

    #[test]
    fn paths_survive(below in path(), version in 0_u64.., alias in "[^/@\0]{1,9}") {
        let tail = if below.is_empty() { String::new() } else { format!("/{below}") };
        let expected = Some(below).filter(|path| !path.is_empty());
        for uri in [
            format!("runs:/{ID}{tail}"),
            format!("models:/my model/{version}{tail}"),
            format!("models:/my@model@{alias}{tail}"),
            format!("models:/m-{ID}{tail}"),
        ] {
            let found = match uri.parse() {
                Ok(ModelUri::Run { path, .. }
                    | ModelUri::Registered { path, .. }
                    | ModelUri::Logged { path, .. }) => path,
                other => return Err(TestCaseError::fail(format!("{uri}: {other:?}"))),
            };
            prop_assert_eq!(&found, &expected, "{}", uri);
        }
    }

    #[test]
    fn a_proxys_url_names_the_same_path(below in path()) {
        let root = "https://h:1/pre/api/2.0/mlflow-artifacts/artifacts";
        let location = root.parse::<Location>().map(|root| root.below(&below).to_string());
        let again = location.and_then(|url| url.parse::<Location>());
        let same = matches!(
            &again,
            Ok(Location::Proxied { proxy: Proxy::Server(_), path }) if *path == below
        );
        prop_assert!(same, "{again:?}");
    }

    #[test]
    fn a_password_is_never_shown(
        scheme in "https?|postgresql|mysql\\+pymysql|sqlite|file|arn|uc:http",
        user in "[a-z]{1,5}",
        secret in "S[^@\0]{3,12}T",
        rest in likely(),
    ) {
        let Ok(uri) = format!("{scheme}://{user}:{secret}@{rest}").parse::<TrackingUri>();
        let mut shown = format!("{uri} {uri:?}");
        match uri.target() {
            Ok(target) => shown.extend([format!("{target:?}")]),
            Err(error) => {
                shown.extend([format!("{error} {:?}", deployment::Explain::hint(&error))]);
            }
        }
        prop_assert!(!shown.contains(&secret), "{shown}");
    }
}
