//! Whom to ask about models, from the settings.

use std::path::Path;

use deployment::Spec;
use mlflow::{Client, Flags, Header, ModelUri, Options, StoreUri, Target, Tracking, TrackingUri};
use stage::{Failure, settings};

use crate::Args;

/// Who is asked, if anybody is set. What goes into the document has no
/// credentials in it.
pub(crate) fn connect(
    args: &Args,
    spec: &mut Spec,
    uri: &ModelUri,
) -> Result<Option<Tracking>, Failure> {
    let Ok(flag) = args.tracking_uri.as_deref().map(str::parse::<TrackingUri>).transpose();
    let Ok(mut field) = spec.tracking_uri.as_deref().map(str::parse::<TrackingUri>).transpose();
    let resolved = settings::TRACKING_URI.resolve(flag, &mut field, None)?;
    spec.tracking_uri = field.map(|uri| uri.to_string());
    if !uri.needs_server() && resolved.is_none() {
        // The login in the environment is meant for the tracking server alone.
        let Some(server) = uri.server() else { return Ok(None) };
        let options = Options::without_login(flags(args)?, settings::env)?;
        return Ok(Some(Tracking::server(Client::new(server.clone(), options)?)));
    }
    let target = match resolved.map(|uri| uri.target()) {
        Some(Ok(target)) => target,
        // A store that cannot be used is no obstacle to reading a directory.
        Some(Err(error)) if !uri.needs_server() => {
            log::debug!("going on without MLflow: {error}");
            return Ok(None);
        }
        Some(Err(error)) => return Err(error.into()),
        None => default_store()?,
    };
    one_registry(uri, &target);
    match target {
        Target::Server(server) => {
            spec.tracking_uri = Some(server.to_string());
            let options = Options::from_env(&flags(args)?, &server, settings::env)?;
            Ok(Some(Tracking::server(Client::new(server, options)?)))
        }
        // Where the files are is known: whose records they are in does not matter.
        Target::Store(_) if !uri.needs_server() => Ok(None),
        Target::Store(store) => {
            spec.tracking_uri = Some(store.to_string());
            let workspace = settings::env("MLFLOW_WORKSPACE");
            Ok(Some(Tracking::store(&store, workspace.as_deref())?))
        }
    }
}

/// MLflow may keep its registry elsewhere; here it is where the runs are.
fn one_registry(uri: &ModelUri, tracking: &Target) {
    let Some(registry) = settings::env("MLFLOW_REGISTRY_URI") else { return };
    let Ok(registry) = registry.parse::<TrackingUri>();
    let same = registry.target().is_ok_and(|registry| registry == *tracking);
    if matches!(uri, ModelUri::Registered { .. }) && !same {
        log::warn!(
            "MLFLOW_REGISTRY_URI is not heeded; --tracking-uri '{registry}' asks that registry"
        );
    }
}

/// As MLflow does where nothing is set.
fn default_store() -> Result<Target, Failure> {
    let store = StoreUri::of_directory(Path::new(".")).ok_or_else(|| {
        settings::TRACKING_URI
            .missing()
            .hint("a store in this directory, mlflow.db or mlruns, is found by itself")
    })?;
    log::debug!("tracking uri = '{store}' (this directory's store, as nothing is set)");
    Ok(Target::Store(store))
}

fn flags(args: &Args) -> Result<Flags, Failure> {
    let mut headers = Vec::new();
    for text in &args.header {
        headers.extend(Header::parse(text)?);
    }
    Ok(Flags {
        headers,
        token_command: args.token_command.clone(),
        allow_http_credentials: args.allow_http_credentials,
    })
}
