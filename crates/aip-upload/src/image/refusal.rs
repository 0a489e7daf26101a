//! Why a registry does not take an image, and what helps.

use deployment::Explain as _;
use oci::{Error, Reference};
use stage::Failure;

pub(super) fn explained(error: Error, to: &Reference) -> Failure {
    let (status, unknown) = (error.status(), error.code() == Some("NAME_UNKNOWN"));
    let fixed = error.to_string().to_lowercase().contains("immutable");
    let doing = format!("cannot push the image '{to}'");
    let mut failure = match status {
        // By the name that is known, wherever an emulator of it stands.
        Some(401 | 403) if Reference::is_google(&to.host) => Failure::new(error.kind(), doing)
            .because(error.to_string())
            .hint("the caller needs roles/artifactregistry.writer on the repository"),
        _ => Failure::from(error).context(doing),
    };
    if let Some(status) = status {
        failure = failure.http_status(status);
    }
    match status {
        // Artifact Registry says 403 as well where there is no such repository.
        Some(403 | 404) => match create(to) {
            Some(command) => failure.hint(format!("if there is no such repository: {command}")),
            None if unknown => failure.hint("choose another repository: --image-repository"),
            None => failure,
        },
        _ if fixed => failure
            .hint("the repository keeps its tags; give the version another name: --version-name"),
        Some(405) => failure.hint("the registry is read-only; choose another: --image-repository"),
        _ => failure,
    }
}

/// The command that makes the repository, in Artifact Registry:
/// `LOCATION-docker.pkg.dev/PROJECT/NAME/IMAGE`.
pub(super) fn create(to: &Reference) -> Option<String> {
    let location = to.host.strip_suffix("-docker.pkg.dev")?;
    let parts: Vec<_> = to.repository.split('/').collect();
    let (project, name) = match parts.as_slice() {
        // A project in a domain.
        [domain, project, name, _, ..] if domain.contains('.') => {
            (format!("{domain}:{project}"), name)
        }
        [project, name, ..] => ((*project).to_owned(), name),
        _ => return None,
    };
    Some(format!(
        "gcloud artifacts repositories create {name} --repository-format=docker \
         --location={location} --project={project}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_the_repository() {
        let command = |name: &str| create(&name.parse().unwrap());
        assert_eq!(
            command("europe-west1-docker.pkg.dev/acme/mlflow-aip/iris:v1").unwrap(),
            "gcloud artifacts repositories create mlflow-aip --repository-format=docker \
             --location=europe-west1 --project=acme"
        );
        let domain = command("us-docker.pkg.dev/example.com/acme/models/iris:v1").unwrap();
        assert!(domain.contains("create models") && domain.ends_with("--project=example.com:acme"));
        assert_eq!(command("ghcr.io/acme/models/iris:v1"), None);
    }
}
