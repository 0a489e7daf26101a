//! The API's `Model` and `DeployedModel`, from the document.

use aip::vertex::Place;
use deployment::names::label_value;
use deployment::{Deployment, Extra};
use serde_json::{Value, json};
use stage::Failure;
use transport::Digest;

use super::flags::child;

/// The API's own default, said so that it can be read and compared.
const MACHINE_TYPE: &str = "n1-standard-2";

/// What the API has as objects, of each.
pub(super) const MODEL_OBJECTS: &[&str] = &["labels", "containerSpec"];
pub(super) const DEPLOYED_OBJECTS: &[&str] = &["dedicatedResources", "automaticResources"];

/// The label that tells images apart whose bundle is the same.
const IMAGE_DIGEST: &str = "image_digest";

pub(super) fn model(document: &Deployment, place: &Place, version: &str) -> Result<Value, Failure> {
    let upload = document.stages.uploaded()?;
    let mut model = document.spec.vertex.model.clone();
    model.insert("displayName".into(), json!(place.model));
    // The server would take it from there, and not from its image.
    let image = document.stages.bundle.as_ref().and_then(|bundle| bundle.image.as_ref());
    if !upload.deployment_uri.is_empty() && !image.is_some_and(|image| image.embeds_model) {
        model.insert("artifactUri".into(), json!(upload.deployment_uri.trim_end_matches('/')));
    }
    container(document, child(&mut model, "containerSpec"))?;
    let more = model.remove("versionAliases").unwrap_or_default();
    let more = more.as_array().into_iter().flatten().filter(|alias| *alias != version);
    let aliases: Vec<_> = std::iter::once(json!(version)).chain(more.cloned()).collect();
    model.insert("versionAliases".into(), aliases.into());
    if let Some(fetch) = &document.stages.fetch {
        let description = format!("MLflow model {}", fetch.model_uri);
        model.entry("versionDescription").or_insert_with(|| json!(description));
    }
    let mut labels = aip::lineage(document);
    let image = upload.image.as_ref().and_then(|image| image.digest.as_deref());
    if let Some((_, digest)) = image.and_then(|digest| digest.split_once(':')) {
        let half = digest.get(..32).unwrap_or(digest);
        labels.insert(IMAGE_DIGEST.into(), label_value(half).into());
    }
    aip::merge(&mut model, labels);
    Ok(Value::Object(model))
}

/// Routes and port are the image's own, unless the document says otherwise, as
/// it may of an image that we did not make.
fn container(document: &Deployment, container: &mut Extra) -> Result<(), Failure> {
    let image = document.stages.bundled()?.image.as_ref();
    let pushed = document.stages.uploaded()?.image.as_ref().map(|image| image.uri.clone());
    let uri = pushed.or_else(|| image.and_then(|image| image.uri.clone())).ok_or_else(|| {
        Failure::input("stages.upload has no image")
            .hint("run aip-bundle --target vertex and aip-upload first")
    })?;
    container.insert("imageUri".into(), json!(uri));
    let Some(image) = image else { return Ok(()) };
    if let Some(route) = &image.predict_route
        // The API takes one of the two.
        && !container.contains_key("invokeRoutePrefix")
    {
        container.entry("predictRoute").or_insert_with(|| json!(route));
    }
    if let Some(route) = &image.health_route {
        container.entry("healthRoute").or_insert_with(|| json!(route));
    }
    if let Some(port) = image.port {
        container.entry("ports").or_insert_with(|| json!([{"containerPort": port}]));
    }
    Ok(())
}

/// Without its id and its model, which is not there yet.
pub(super) fn deployed(document: &Deployment, version: &str) -> Extra {
    let mut deployed = document.spec.vertex.deployed_model.clone();
    deployed.insert("displayName".into(), json!(version));
    let otherwise = ["automaticResources", "sharedResources"];
    if !otherwise.iter().any(|key| deployed.contains_key(*key)) {
        let resources = child(&mut deployed, "dedicatedResources");
        resources.entry("minReplicaCount").or_insert_with(|| json!(1));
        let machine = child(resources, "machineSpec");
        machine.entry("machineType").or_insert_with(|| json!(MACHINE_TYPE));
    }
    deployed
}

/// The whole of it. The id is made of all the rest, so that the same, sent
/// again, is known for what it is.
pub(super) fn with_id(deployed: &Extra, model: &str) -> Value {
    let mut deployed = deployed.clone();
    deployed.insert("model".into(), json!(model));
    let content = Value::Object(deployed.clone()).to_string();
    let digest = Digest::of_bytes(content.as_bytes()).sha256;
    let number = digest.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    // Ten digits at most, the first of them not 0.
    let id = 1_000_000_000 + number.unwrap_or_default() % 9_000_000_000;
    deployed.insert("id".into(), json!(id.to_string()));
    Value::Object(deployed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_the_content() {
        let deployed: Extra = [("displayName".to_owned(), json!("v3"))].into_iter().collect();
        let one = with_id(&deployed, "projects/p/locations/l/models/iris@1");
        assert_eq!(one, with_id(&deployed, "projects/p/locations/l/models/iris@1"));
        let id = one["id"].as_str().unwrap();
        assert!(id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
        assert_ne!(one["id"], with_id(&deployed, "projects/p/locations/l/models/iris@2")["id"]);
    }
}
