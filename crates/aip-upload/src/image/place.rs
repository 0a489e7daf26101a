//! Where the image goes.

use deployment::{Deployment, Spec, names};
use oci::Reference;
use stage::{Failure, settings};
use transport::is_loopback;

use super::ImageOptions;

/// Google's own default.
const REGION: &str = "us-central1";

/// `REPOSITORY/MODEL:VERSION`.
pub(super) fn reference(options: &ImageOptions, spec: &mut Spec) -> Result<Reference, Failure> {
    let given = settings::IMAGE_REPOSITORY.resolve(
        options.image_repository.clone().filter(|repository| !repository.is_empty()),
        &mut spec.vertex.image_repository,
        None,
    )?;
    let repository = if let Some(repository) = given {
        repository
    } else {
        let (project, region) = project_and_region(options, spec)?;
        // Ids of projects in a domain: `example.com:project`.
        let project = project.replace(':', "/");
        let default = format!("{region}-docker.pkg.dev/{project}/mlflow-aip");
        spec.vertex.image_repository.insert(default).clone()
    };
    let lacking = |field: &str| {
        Failure::input(format!("the document lacks {field}"))
            .hint("aip-bundle sets it; run it again")
    };
    let model = spec.model.as_deref().ok_or_else(|| lacking("spec.model"))?;
    let tag = spec.version.as_deref().ok_or_else(|| lacking("spec.version"))?;
    let id = names::resource_id(model).ok_or_else(|| {
        Failure::usage(format!("no image can be named after the model '{model}'"))
            .hint("give it a name with a letter: aip-bundle --model NAME")
    })?;
    let name = format!("{}/{id}:{tag}", repository.trim_end_matches('/'));
    name.parse().map_err(|error: oci::ReferenceError| {
        Failure::usage(error.to_string()).hint("choose a repository with --image-repository")
    })
}

pub(super) fn project_and_region(
    options: &ImageOptions,
    spec: &mut Spec,
) -> Result<(String, String), Failure> {
    let project = settings::PROJECT.require(options.project.clone(), &mut spec.project)?;
    let default = Some(REGION.to_owned());
    let region = settings::REGION.resolve(options.region.clone(), &mut spec.region, default)?;
    Ok((project, region.unwrap_or_default()))
}

/// A remark on images that Vertex AI may not be able to read: it takes them
/// from Artifact Registry alone, and there as its project's service agent.
pub(crate) fn remark(document: &Deployment, uri: &str) -> Option<(String, Option<String>)> {
    let image: Reference = uri.parse().ok()?;
    if is_loopback(&image.root()) {
        return None;
    }
    if !Reference::is_google(&image.host) {
        let message =
            format!("Vertex AI takes images from Artifact Registry, not from '{}'", image.host);
        let hint = "copy it to REGION-docker.pkg.dev/PROJECT/NAME (skopeo copy), and name that one";
        return Some((message, Some(hint.into())));
    }
    let project = document.spec.project.as_deref()?.replace(':', "/");
    let own = format!("{project}/");
    if image.repository.starts_with(&own) || image.repository.starts_with("vertex-ai/") {
        return None;
    }
    let hint = "grant service-PROJECT_NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com \
        roles/artifactregistry.reader on it";
    let message =
        format!("'{uri}' is outside of project '{project}', whose Vertex AI must read it");
    Some((message, Some(hint.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vertex_may_not_read_is_remarked_on() {
        let mut document = Deployment::default();
        document.spec.project = Some("acme".into());
        let remark = |uri: &str| remark(&document, uri).map(|(message, _)| message);
        for fine in [
            "eu-docker.pkg.dev/acme/models/iris:v1",
            "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest",
            "127.0.0.1:5000/acme/models/iris:v1",
        ] {
            assert_eq!(remark(fine), None, "{fine}");
        }
        let other = remark("eu-docker.pkg.dev/acme-images/models/iris:v1").unwrap();
        assert!(other.contains("outside of project 'acme'"), "{other}");
        assert!(remark("ghcr.io/acme/iris:v1").unwrap().contains("not from 'ghcr.io'"));
    }

    #[test]
    fn the_default_is_the_projects_own_repository() {
        let options = ImageOptions {
            image_repository: None,
            project: Some("example.com:acme".into()),
            region: None,
            build_location: None,
            build_service_account: None,
            build_timeout: 1,
        };
        let (model, version) = (Some("Iris Model".to_owned()), Some("v3".to_owned()));
        let mut spec = Spec { model, version, ..Spec::default() };
        let name = reference(&options, &mut spec).unwrap().to_string();
        assert_eq!(name, "us-central1-docker.pkg.dev/example.com/acme/mlflow-aip/iris-model:v3");
        let repository = spec.vertex.image_repository.as_deref();
        assert_eq!(repository, Some("us-central1-docker.pkg.dev/example.com/acme/mlflow-aip"));
        assert_eq!(spec.region.as_deref(), Some("us-central1"));
        spec.model = Some("123".into());
        assert!(reference(&options, &mut spec).is_err());
    }
}
