//! Why a version does not come up, as far as it can be known.

use aip::vertex::Place;
use deployment::{Explain, Kind};
use gcp::logs;
use log::debug;
use stage::Failure;

/// Lines of the container's log that are shown.
const LINES: usize = 20;

/// Of a request that the service refused; `permission` is what it takes.
pub(super) fn refused(error: gcp::Error, doing: &str, permission: &str) -> Failure {
    let (status, text) = (error.status(), error.to_string());
    let failure = Failure::from(error).context(format!("cannot {doing}"));
    match (status, hint(&text)) {
        (_, Some(hint)) => failure.hint(hint),
        (Some(403), None) => {
            failure.hint(format!("the caller needs {permission}, as in roles/aiplatform.user"))
        }
        _ => failure,
    }
}

/// Of an operation that ended in an error.
pub(super) fn failed(doing: &str, message: &str) -> Failure {
    let failure = Failure::failed(format!("cannot {doing}")).because(message);
    match hint(message) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Of a deployment that ended in an error: the service's own text, the
/// container's last words, and what is known of the causes. `id` is the
/// deployed model's.
pub(super) fn deployment(place: &Place, id: &str, doing: &str, message: &str) -> Failure {
    let filter = filter(place, id);
    let lines = lines(place, &filter);
    let failure = failed(doing, message);
    if lines.is_empty() {
        return failure.hint(format!(
            "look at the container's log: gcloud logging read '{filter}' --project {}",
            place.project
        ));
    }
    failure.because(format!("the container's log ends so:\n{}", lines.join("\n")))
}

fn filter(place: &Place, id: &str) -> String {
    format!(
        "resource.type=\"aiplatform.googleapis.com/Endpoint\" \
         AND resource.labels.endpoint_id=\"{}\" AND labels.deployed_model_id=\"{id}\"",
        place.endpoint_id
    )
}

/// What cannot be had is not worth another failure.
fn lines(place: &Place, filter: &str) -> Vec<String> {
    let read = || {
        let Some(root) = gcp::logging_endpoint(place.service.api().root()) else {
            return Ok(Vec::new());
        };
        logs::last_lines(&place.service.at(root)?, &place.project, filter, LINES)
    };
    read().unwrap_or_else(|error: gcp::Error| {
        let kind = error.kind();
        let needs = if kind == Kind::Refused { " (logging.logEntries.list is needed)" } else { "" };
        debug!("the container's log cannot be read{needs}: {error}");
        Vec::new()
    })
}

/// Known causes, by a part of the service's text in lower case.
fn hint(message: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 9] = [
        ("artifactregistry", IMAGE),
        ("image pull", IMAGE),
        ("pull the image", IMAGE),
        (
            "server exited",
            "the container ended before it was healthy; run the same image on this machine to \
             see why: aip-emulator run",
        ),
        (
            "health",
            "the container must answer 200 at its health route once the model is loaded; \
             where that takes long: --deployment-timeout SECONDS",
        ),
        (
            "quota",
            "the project has no more of this machine in this region: ask for a higher quota, or \
             try --machine-type or --region",
        ),
        ("machine type", "machines differ by region; try another --machine-type"),
        ("memory", "the model is too large for the machine; try --machine-type n1-highmem-4"),
        (
            "actas",
            "the caller needs iam.serviceAccounts.actAs on the service account, as in \
             roles/iam.serviceAccountUser",
        ),
    ];
    let message = message.to_lowercase();
    KNOWN.iter().find(|(text, _)| message.contains(text)).map(|(_, hint)| *hint)
}

const IMAGE: &str = "the image must be in Artifact Registry in the endpoint's region, and the \
    service agent service-NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com needs \
    roles/artifactregistry.reader there";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_failures_have_a_hint() {
        let exited =
            "Model server exited unexpectedly. Model server logs can be found at https://…";
        assert!(hint(exited).unwrap().contains("aip-emulator"));
        let denied = "Permission \"artifactregistry.repositories.downloadArtifacts\" denied";
        assert!(hint(denied).unwrap().contains("artifactregistry.reader"));
        assert!(hint("Quota exceeded for CustomModelServingCPUsPerProjectPerRegion").is_some());
        assert_eq!(hint("something else"), None);
    }
}
