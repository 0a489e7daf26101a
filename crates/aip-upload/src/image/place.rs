//! Where the image goes.

use deployment::{Deployment, Spec, names};
use oci::Reference;
use stage::{Failure, settings};

use super::ImageOptions;

/// Google's own default.
const REGION: &str = "us-central1";

/// `REPOSITORY/MODEL:VERSION`.
pub(super) fn reference(options: &ImageOptions, spec: &mut Spec) -> Result<Reference, Failure> {
    let given = settings::IMAGE_REPOSITORY.resolve(
        options.image_repository.clone(),
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

/// A remark on images that the project's own service agent may not be able to
/// read.
pub(crate) fn remark(document: &Deployment, uri: &str) -> Option<(String, Option<String>)> {
    let image: Reference = uri.parse().ok()?;
    let project = document.spec.project.as_deref()?.replace(':', "/");
    if !Reference::is_google(&image.host)
        || image.repository.starts_with(&format!("{project}/"))
        || image.repository.starts_with("vertex-ai/")
    {
        return None;
    }
    let hint = "grant service-PROJECT_NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com \
        roles/artifactregistry.reader on it"
        .to_owned();
    let message =
        format!("'{uri}' is outside of project '{project}', whose Vertex AI must read it");
    Some((message, Some(hint)))
}
