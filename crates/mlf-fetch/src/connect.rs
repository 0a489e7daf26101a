//! The tracking server, from the settings.

use std::path::Path;

use deployment::Spec;
use mlflow::{Client, Credentials, ModelUri, Options, TrackingUri};
use stage::{Failure, settings};

use crate::Args;

/// The server to ask, if one is set. What goes into the document has no
/// credentials in it.
pub(crate) fn connect(
    args: &Args,
    spec: &mut Spec,
    uri: &ModelUri,
) -> Result<Option<Client>, Failure> {
    let Ok(flag) = args.tracking_uri.as_deref().map(str::parse::<TrackingUri>).transpose();
    let Ok(mut field) = spec.tracking_uri.as_deref().map(str::parse::<TrackingUri>).transpose();
    let resolved = settings::TRACKING_URI.resolve(flag, &mut field, None)?;
    spec.tracking_uri = field.map(|uri| uri.to_string());
    if !uri.needs_server() && resolved.is_none() {
        // The login in the environment is meant for the tracking server alone.
        let options = options(args, None);
        return Ok(uri.server().map(|server| Client::new(server.clone(), options)).transpose()?);
    }
    let server = match resolved.map(|uri| uri.server()) {
        Some(Ok(server)) => server,
        // A store that has no server is no obstacle to reading a directory.
        Some(Err(error)) if !uri.needs_server() => {
            log::debug!("going on without a tracking server: {error}");
            return Ok(None);
        }
        Some(Err(error)) => return Err(error.into()),
        None => return Err(no_server()),
    };
    let credentials = Credentials::from_env(settings::env)?;
    Ok(Some(Client::new(server, options(args, credentials))?))
}

fn options(args: &Args, credentials: Option<Credentials>) -> Options {
    Options {
        credentials,
        workspace: settings::env("MLFLOW_WORKSPACE"),
        allow_http_credentials: args.allow_http_credentials,
    }
}

/// Where MLflow itself would take a store in the current directory, that store
/// is what the person means.
fn no_server() -> Failure {
    let store = [("mlflow.db", "sqlite:///mlflow.db"), ("mlruns", "./mlruns")]
        .into_iter()
        .find(|(path, _)| Path::new(path).exists());
    let missing = settings::TRACKING_URI.missing();
    match store {
        Some((_, uri)) => missing.hint(format!(
            "the store in this directory is read through a server: \
             mlflow server --backend-store-uri {uri}, then --tracking-uri http://127.0.0.1:5000"
        )),
        None => missing,
    }
}
