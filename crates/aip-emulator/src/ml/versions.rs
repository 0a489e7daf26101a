//! projects.models.versions

use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::catalog::{Model, State, Version};
use super::deploy::Deployment;
use super::operation::{Subject, empty, with_type};
use super::operations::started;
use super::page::page;
use super::refusal::{check_labels, exists, invalid, precondition, quota};
use super::router::Call;
use super::{mask, models, names, rules, schema, snapshot};
use crate::api::outcome::Outcome;
use crate::api::stamp::{epoch_millis, etag, now};
use crate::error::ApiError;
use crate::runtime::Interpreter;

/// Per project, over all its models.
const MAX_VERSIONS: usize = 200;

/// Carries what the emulator has to say that the service would not.
const NOTICE: HeaderName = HeaderName::from_static("x-aip-emulator-notice");

pub(super) async fn create(call: &Call, project: &str, model: &str) -> Result<Response, ApiError> {
    call.ml().catalog.read(|catalog| catalog.model(project, model).map(drop))?;
    let mut spec = schema::read("version", schema::VERSION, &call.body)?;
    let name = spec.shift_remove("name").unwrap_or_default();
    let name = name.as_str().unwrap_or_default();
    names::check("version.name", name)?;
    check_labels("version", &spec)?;
    rules::check(&mut spec, call.ml().strict)?;
    let python = interpreter(call, &spec).await?;
    let files = survey(call, &spec).await?;
    let notice = rules::notice(&spec);
    let (id, dir) = enter(call, project, model, name, spec)?;
    let deployment = Deployment {
        ml: call.app.ml.clone(),
        store: call.app.storage.clone(),
        project: project.to_owned(),
        model: model.to_owned(),
        version: name.to_owned(),
        operation: id.clone(),
        dir,
        files,
        python,
    };
    call.app.ml.spawn(project, &id, deployment.run());
    let mut response = started(call, project, &id)?;
    if let Some(notice) = notice {
        call.ml().say_once(&notice);
        if let Ok(value) = HeaderValue::from_str(&notice) {
            response.headers_mut().insert(NOTICE, value);
        }
    }
    Ok(response)
}

async fn interpreter(call: &Call, spec: &Map<String, Value>) -> Result<Interpreter, ApiError> {
    let version = spec.get("pythonVersion").and_then(Value::as_str).unwrap_or_default();
    call.ml().interpreters.find(version).await.ok_or_else(|| {
        let text = format!("The emulator finds no Python {version} on its machine.");
        invalid("version.python_version", &text)
    })
}

async fn survey(call: &Call, spec: &Map<String, Value>) -> Result<Vec<snapshot::Item>, ApiError> {
    let store = call.app.storage.clone();
    let uri = spec.get("deploymentUri").and_then(Value::as_str).unwrap_or_default().to_owned();
    let packages = spec.get("packageUris").cloned().unwrap_or_default();
    let survey = tokio::task::spawn_blocking(move || {
        let uris = packages.as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut items = snapshot::packages(&store, uris)?;
        items.extend(snapshot::model(&store, &uri)?);
        Ok(items)
    });
    survey.await.map_err(|err| ApiError::new(500, "INTERNAL", err.to_string()))?
}

/// Enters the version and the operation that makes it; gives the operation's
/// id and the directory for the version's copies.
fn enter(
    call: &Call,
    project: &str,
    model: &str,
    name: &str,
    spec: Map<String, Value>,
) -> Result<(String, std::path::PathBuf), ApiError> {
    let dir = std::path::Path::new(project).join(model).join(format!("{name}-{}", epoch_millis()));
    let version = Version {
        spec,
        state: State::Creating,
        create_time: now(),
        last_use_time: None,
        error_message: None,
        etag: etag(),
        dir: dir.clone(),
        runtime: None,
    };
    let id = call.ml().catalog.change(|catalog| {
        if catalog.model(project, model)?.versions.contains_key(name) {
            return Err(exists("version"));
        }
        let all = catalog.projects.get(project).into_iter().flat_map(|p| p.models.values());
        if all.map(|model| model.versions.len()).sum::<usize>() >= MAX_VERSIONS {
            return Err(quota(&format!("A project has at most {MAX_VERSIONS} versions.")));
        }
        let shown = version.show(&full_name(project, model, name), false);
        let version_of = Some((name, shown));
        let id = catalog.begin(&Subject {
            kind: "CREATE_VERSION",
            project,
            model,
            version: version_of,
        })?;
        catalog.model_mut(project, model)?.versions.insert(name.to_owned(), version);
        Ok(id)
    })?;
    Ok((id, dir))
}

pub(super) fn get(call: &Call, project: &str, m: &str, name: &str) -> Result<Response, ApiError> {
    let shown = call.ml().catalog.read(|catalog| {
        let model = catalog.model(project, m)?;
        model.version(name)?;
        Ok::<_, ApiError>(show(model, project, m, name))
    })?;
    Ok(Json(shown).into_response())
}

pub(super) fn list(call: &Call, project: &str, m: &str) -> Result<Response, ApiError> {
    let shown = call.ml().catalog.read(|catalog| {
        let model = catalog.model(project, m)?;
        page(&call.query, "versions", model.versions.iter(), |name, version| {
            version.show(&full_name(project, m, name), model.is_default(name))
        })
    })?;
    Ok(Json(shown).into_response())
}

pub(super) fn set_default(
    call: &Call,
    project: &str,
    m: &str,
    name: &str,
) -> Result<Response, ApiError> {
    schema::read("request", &[], &call.body)?;
    let shown = call.ml().catalog.change(|catalog| {
        let model = catalog.model_mut(project, m)?;
        models::set_default(model, name)?;
        model.etag = etag();
        Ok(show(model, project, m, name))
    })?;
    Ok(Json(shown).into_response())
}

pub(super) fn delete(call: &Call, project: &str, m: &str, v: &str) -> Result<Response, ApiError> {
    let (id, dir) = call.ml().catalog.change(|catalog| {
        let model = catalog.model_mut(project, m)?;
        let version = model.version(v)?;
        if matches!(version.state, State::Creating | State::Deleting) {
            let text = "The version has an operation in progress; wait until it is done.";
            return Err(precondition("name", text));
        }
        if model.is_default(v) && model.versions.len() > 1 {
            let text = "Cannot delete the default version of a model that has other versions. \
                        Make another version the default first.";
            return Err(precondition("name", text));
        }
        let dir = version.dir.clone();
        let shown = show(model, project, m, v);
        let version = Some((v, shown));
        let id = catalog.begin(&Subject { kind: "DELETE_VERSION", project, model: m, version })?;
        catalog.model_mut(project, m)?.version_mut(v)?.state = State::Deleting;
        Ok((id, dir))
    })?;
    let ml = call.app.ml.clone();
    let (project, m, v) = (project.to_owned(), m.to_owned(), v.to_owned());
    let work = {
        let (project, id) = (project.clone(), id.clone());
        async move {
            ml.discard(&dir).await;
            ml.finish(&project, &id, |catalog| {
                let model = catalog.model_mut(&project, &m)?;
                model.versions.remove(&v);
                model.default_version.take_if(|name| *name == v);
                Ok(Outcome::Response(empty()))
            });
        }
    };
    call.app.ml.spawn(&project, &id, work);
    started(call, &project, &id)
}

pub(super) fn patch(call: &Call, project: &str, m: &str, v: &str) -> Result<Response, ApiError> {
    // Labels and manual nodes could be updated on Compute Engine machines
    // only; custom code never ran on those.
    let fields = mask::read(&call.query, |field| {
        matches!(field, "description" | "requestLoggingConfig" | "etag")
            || matches!(field, "autoScaling.minNodes" | "autoScaling.maxNodes")
            || field.starts_with("requestLoggingConfig.")
    })?;
    let patch = schema::read("version", schema::VERSION, &call.body)?;
    let id = call.ml().catalog.change(|catalog| {
        let model = catalog.model_mut(project, m)?;
        let version = model.version_mut(v)?;
        mask::check_etag(&version.etag, &patch)?;
        if version.state != State::Ready {
            return Err(precondition("name", "Only a version that is ready can be updated."));
        }
        let mut spec = version.spec.clone();
        for field in fields.iter().filter(|field| *field != "etag") {
            mask::apply(&mut spec, field, &patch);
        }
        rules::check_scaling(&spec)?;
        rules::check_logging(&spec)?;
        version.spec = spec;
        version.etag = etag();
        let shown = show(model, project, m, v);
        let subject = Subject {
            kind: "UPDATE_VERSION",
            project,
            model: m,
            version: Some((v, shown.clone())),
        };
        Ok(catalog.finished(&subject, with_type("Version", shown)))
    })?;
    started(call, project, &id)
}

/// The version as it stands; the model must have it.
pub(super) fn show(model: &Model, project: &str, m: &str, v: &str) -> Value {
    let name = full_name(project, m, v);
    model.versions.get(v).map_or(Value::Null, |version| version.show(&name, model.is_default(v)))
}

pub(super) fn full_name(project: &str, model: &str, version: &str) -> String {
    format!("projects/{project}/models/{model}/versions/{version}")
}
