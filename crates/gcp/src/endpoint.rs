//! Where the services are: Google's hosts, or what the ecosystem's variables say.

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

/// A bare host is an emulator's.
fn with_scheme(url: String) -> String {
    if url.contains("://") { url } else { format!("http://{url}") }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').into()
}
