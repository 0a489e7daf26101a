//! Variables that lead clients here.

use crate::server::Emulator;

/// What leads our tools, gcloud and Google's client libraries here.
pub(crate) fn environment(emulator: &Emulator) -> Vec<(&'static str, String)> {
    let (url, registry) = (emulator.url(), emulator.registry());
    let mut variables = vec![
        ("AIP_EMULATOR_URL", url.clone()),
        ("STORAGE_EMULATOR_HOST", url.clone()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", format!("{url}/storage/v1/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_ML", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD", format!("{url}/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING", format!("{url}/")),
        ("AIP_IMAGE_REPOSITORY", format!("{registry}/emulator/models")),
        ("AIP_BASE_IMAGE", format!("{registry}/library/python:{{python}}-slim")),
        // gcloud puts any other region before the host's name
        ("CLOUDSDK_AI_PLATFORM_REGION", "global".to_owned()),
        ("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true".to_owned()),
        ("CLOUDSDK_CORE_DISABLE_PROMPTS", "1".to_owned()),
    ];
    for name in ["GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"] {
        if std::env::var_os(name).is_none_or(|value| value.is_empty()) {
            variables.push((name, "emulator".to_owned()));
        }
    }
    variables
}
