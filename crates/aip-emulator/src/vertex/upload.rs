//! projects.locations.models.upload

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::artifacts;
use super::catalog::Catalog;
use super::container_spec::text;
use super::model::{DEFAULT, Model, Version};
use super::names::{Place, check_alias, check_display_name, check_model_id, split_version};
use super::operation::{new_id, with_type};
use super::refusal::{check_labels, exists, invalid, no_model};
use super::router::Call;
use super::{container_spec, schema};
use crate::api::outcome::Outcome;
use crate::api::refusal::unimplemented;
use crate::api::stamp::{etag, precise_now};
use crate::error::ApiError;
use crate::registry::Registry;
use crate::say::say;
use crate::state::App;

/// One version on its way.
struct Upload {
    place: Place,
    id: String,
    is_new: bool,
    spec: Map<String, Value>,
    aliases: BTreeSet<String>,
}

pub(super) fn upload(call: &Call) -> Result<Response, ApiError> {
    let mut request = schema::read("UploadModelRequest", &call.body)?;
    let Some(Value::Object(mut spec)) = request.remove("model") else {
        return Err(invalid("UploadModelRequest.model is required."));
    };
    let get = |field: &str| request.get(field).and_then(Value::as_str).unwrap_or_default();
    let aliases = check(&mut spec)?;
    let (id, is_new) = target(&call.place, get("modelId"), get("parentModel"))?;
    let artifacts = text(&Value::from(spec.clone()), "artifactUri").to_owned();
    if !artifacts.is_empty() {
        artifacts::check(&call.app.storage, &artifacts)?;
    }
    let upload = Upload { place: call.place.clone(), id, is_new, spec, aliases };
    let operation = call.vertex().catalog.change(|catalog| {
        upload.check_target(catalog)?;
        let target = format!("models/{}", upload.id);
        Ok(catalog.begin(&call.place, &target, "UploadModelOperationMetadata"))
    })?;
    let work = upload.run(call.app.clone(), operation.clone());
    Ok(call.app.vertex.spawn(&call.place, &operation, work))
}

/// Checks the fields of a new version; gives its aliases.
fn check(spec: &mut Map<String, Value>) -> Result<BTreeSet<String>, ApiError> {
    let name = spec.get("displayName").and_then(Value::as_str).unwrap_or_default();
    check_display_name("Model", name)?;
    check_labels(spec)?;
    container_spec::check(spec)?;
    spec.retain(|field, _| field != "name" && field != "etag");
    let aliases = spec.remove("versionAliases").unwrap_or_default();
    let aliases = aliases.as_array().into_iter().flatten().filter_map(Value::as_str);
    aliases.map(|alias| check_alias(alias).map(|()| alias.to_owned())).collect()
}

/// The id of the model, and whether it is to be a new one.
fn target(place: &Place, id: &str, parent: &str) -> Result<(String, bool), ApiError> {
    match (id, parent) {
        ("", "") => Ok((new_id(), true)),
        (id, "") => check_model_id(id).map(|()| (id.to_owned(), true)),
        ("", parent) => {
            let id = place.id_in("models", parent).ok_or_else(|| no_model(parent))?;
            Ok((split_version(id).0.to_owned(), false))
        }
        _ => Err(invalid("Only one of model_id and parent_model can be specified.")),
    }
}

impl Upload {
    fn check_target(&self, catalog: &Catalog) -> Result<(), ApiError> {
        match (catalog.model(&self.place, &self.id), self.is_new) {
            (Ok(_), true) => Err(exists(&self.place.model(&self.id))),
            (Err(err), false) => Err(err),
            _ => Ok(()),
        }
    }

    async fn run(self, app: App, operation: String) {
        let (storage, registry) = (app.storage.clone(), app.registry.clone());
        let (place, spec) = (self.place.clone(), Value::from(self.spec.clone()));
        let ingested = tokio::task::spawn_blocking(move || {
            let artifacts = match text(&spec, "artifactUri") {
                "" => None,
                uri => Some(artifacts::copy(&storage, &place, uri)?.uri()),
            };
            let image = pin(&registry, text(&spec["containerSpec"], "imageUri"));
            Ok::<_, ApiError>((artifacts, image))
        });
        let ingested = match ingested.await {
            Ok(ingested) => ingested,
            Err(err) => Err(ApiError::new(500, "INTERNAL", err.to_string())),
        };
        let place = self.place.clone();
        app.vertex.finish(&place, &operation, |catalog| {
            let (artifacts, image) = ingested?;
            // Another upload may have been quicker.
            if let Err(err) = self.check_target(catalog) {
                artifacts::remove(&app.storage, artifacts.as_deref());
                return Err(err);
            }
            Ok(Outcome::Response(self.enter(catalog, artifacts, image)))
        });
    }

    /// Enters the version; gives the operation's response.
    fn enter(
        self,
        catalog: &mut Catalog,
        artifacts: Option<String>,
        image: Option<String>,
    ) -> Value {
        let time = precise_now();
        let new =
            || Model { create_time: time.clone(), versions: BTreeMap::new(), last_version: 0 };
        let models = &mut catalog.at_mut(&self.place).models;
        let model = models.entry(self.id.clone()).or_insert_with(new);
        model.last_version += 1;
        let number = model.last_version;
        let version = Version {
            spec: self.spec,
            aliases: BTreeSet::new(),
            create_time: time.clone(),
            update_time: time.clone(),
            etag: etag(),
            image,
            artifacts,
        };
        let is_first = model.versions.is_empty();
        model.versions.insert(number, version);
        for alias in &self.aliases {
            model.assign(alias, number);
        }
        if is_first {
            model.assign(DEFAULT, number);
        }
        let name = self.place.model(&self.id);
        say(&format!("{}: version {number}", self.id));
        let response = json!({ "model": name, "modelVersionId": number.to_string() });
        with_type("UploadModelResponse", response)
    }
}

/// The image by its digest: what its tag names later is of no consequence. The
/// host does not matter, and the emulator's own changes.
fn pin(registry: &Registry, uri: &str) -> Option<String> {
    let image = registry.image(uri).ok()?;
    let (_, path) = uri.split('@').next()?.split_once('/')?;
    let path = path.split(':').next()?;
    Some(format!("emulator-docker.pkg.dev/{path}@{}", image.digest))
}

/// What models of other origins have.
pub(super) fn refuse_copy() -> ApiError {
    unimplemented("copies of models, their export, evaluations and checkpoints")
}
