//! Where the services are: Google's hosts, or what the ecosystem's variables say.

use transport::is_loopback;

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Cloud Storage's root, without a slash at the end.
///
/// `STORAGE_EMULATOR_HOST` comes with a scheme in Python and Node and without
/// one in Go; gcloud's override ends in the API's path.
pub fn storage_endpoint() -> String {
    if let Some(host) = env("STORAGE_EMULATOR_HOST") {
        return trimmed(&with_scheme(host));
    }
    match env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE") {
        Some(url) => trimmed(with_scheme(url).trim_end_matches('/').trim_end_matches("storage/v1")),
        None => "https://storage.googleapis.com".into(),
    }
}

/// AI Platform's root: the region's own where one is given. An override is
/// taken as it is, never prefixed with a region.
pub fn ml_endpoint(region: Option<&str>) -> String {
    match (env("CLOUDSDK_API_ENDPOINT_OVERRIDES_ML"), region) {
        (Some(url), _) => trimmed(&with_scheme(url)),
        (None, Some(region)) => format!("https://{region}-ml.googleapis.com"),
        (None, None) => "https://ml.googleapis.com".into(),
    }
}

/// Vertex AI's root for a location: a region, the multi-regions `us` and `eu`,
/// or `global`. An override is taken as it is.
pub fn vertex_endpoint(location: &str) -> String {
    match (env("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM"), location) {
        (Some(url), _) => trimmed(&with_scheme(url)),
        (None, "global") => "https://aiplatform.googleapis.com".into(),
        (None, "us" | "eu") => format!("https://aiplatform.{location}.rep.googleapis.com"),
        (None, region) => format!("https://{region}-aiplatform.googleapis.com"),
    }
}

/// Cloud Build's root.
pub fn build_endpoint() -> String {
    match env("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD") {
        Some(url) => trimmed(&with_scheme(url)),
        None => "https://cloudbuild.googleapis.com".into(),
    }
}

/// Cloud Logging's root, for the logs of a service at `root`: what an emulator
/// does is not in Google's logs.
pub fn logging_endpoint(root: &str) -> Option<String> {
    match env("CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING") {
        Some(url) => Some(trimmed(&with_scheme(url))),
        None if is_loopback(root) => None,
        None => Some("https://logging.googleapis.com".into()),
    }
}

/// Where a registry of Artifact Registry's is, if not at its own host: at the
/// emulator that stands for all of them. An override elsewhere is the management
/// API's, which is another matter.
pub(crate) fn registry_endpoint() -> Option<String> {
    let url = env("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY").map(with_scheme)?;
    is_loopback(&url).then(|| trimmed(&url))
}

/// A bare host is an emulator's.
fn with_scheme(url: String) -> String {
    if url.contains("://") { url } else { format!("http://{url}") }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').into()
}
