//! Which credentials are used: Google's own order, then gcloud's login.
//!
//! The metadata server comes before gcloud, as in Google's libraries: on a
//! machine of Google Cloud its service account is what such programs run as,
//! whoever logged in there with gcloud.

use std::path::{Path, PathBuf};

use super::file;
use super::gcloud::Gcloud;
use super::given::{self, Given};
use super::identity::Identity;
use super::metadata::{self, Metadata};
use super::whoami::Origin;
use super::{CredentialsError, env};

/// Variables that name a credentials file: of Google's libraries and of gcloud.
const FILES: [&str; 2] =
    ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"];

/// Who asks a service.
#[derive(Debug)]
pub(super) struct Login {
    /// Nobody, where there is none.
    pub(super) identity: Option<Box<dyn Identity>>,
    pub(super) origin: Origin,
    pub(super) quota_project: Option<String>,
}

impl Login {
    fn new(identity: impl Identity + 'static, origin: Origin) -> Self {
        Self { identity: Some(Box::new(identity)), origin, quota_project: quota_project() }
    }

    fn in_file(path: &Path, variable: Option<&'static str>) -> Result<Self, CredentialsError> {
        let (identity, project) = file::read(path)?;
        Ok(Self {
            identity: Some(identity),
            origin: Origin { variable, ..Origin::file(path) },
            quota_project: quota_project().or(project),
        })
    }

    fn nobody(reason: &'static str) -> Self {
        let origin = Origin { reason: Some(reason), ..Origin::default() };
        Self { identity: None, origin, quota_project: None }
    }

    pub(super) fn is_given(&self) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.kind() == given::KIND)
    }

    fn is_local(&self) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.is_local())
    }
}

/// A token that was given outright.
pub(super) fn given(file: Option<&Path>) -> Result<Option<Login>, CredentialsError> {
    if let Some(path) = file {
        let origin = Origin { flag: Some("--access-token-file"), ..Origin::file(path) };
        return Ok(Some(Login::new(Given::in_file(path)?, origin)));
    }
    for name in ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"] {
        if let Some(token) = Given::in_variable(name) {
            let origin = Origin { variable: Some(name), ..Origin::default() };
            return Ok(Some(Login::new(token?, origin)));
        }
    }
    let name = "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE";
    env(name).map_or(Ok(None), |path| {
        let path = Path::new(&path);
        let origin = Origin { variable: Some(name), ..Origin::file(path) };
        Ok(Some(Login::new(Given::in_file(path)?, origin)))
    })
}

/// Anything else. For a service on this machine, only what gets its tokens from
/// this machine: a real token is neither fetched for an emulator nor shown to it.
pub(super) fn find(loopback: bool) -> Result<Login, CredentialsError> {
    if env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        return Ok(Login::nobody("CLOUDSDK_AUTH_DISABLE_CREDENTIALS is set"));
    }
    for name in FILES {
        if let Some(path) = env(name) {
            let login = Login::in_file(Path::new(&path), Some(name))?;
            if !loopback || login.is_local() {
                return Ok(login);
            }
        }
    }
    if let Some(path) = default_file().filter(|path| path.is_file()) {
        match Login::in_file(&path, None) {
            Ok(login) if !loopback || login.is_local() => return Ok(login),
            // Nobody named this file for a service on this machine.
            Ok(_) => {}
            Err(_) if loopback => {}
            Err(error) => return Err(error),
        }
    }
    let from_metadata = |server: Metadata, variable| {
        let origin = Origin { variable, host: Some(server.host.clone()), ..Origin::default() };
        Login::new(server, origin)
    };
    match metadata::named().filter(|_| !metadata::is_ruled_out()) {
        Some((name, host)) if !loopback || metadata::is_local(&host) => {
            return Ok(from_metadata(Metadata::at(host)?, Some(name)));
        }
        Some(_) => {}
        None if loopback || metadata::is_ruled_out() => {}
        None => {
            if let Some(server) = Metadata::find() {
                return Ok(from_metadata(server, None));
            }
        }
    }
    if loopback {
        return Ok(Login::nobody("the service is on this machine"));
    }
    let origin = Origin { command: Some("gcloud auth print-access-token"), ..Origin::default() };
    Ok(Login::new(Gcloud::find().ok_or(CredentialsError::NotFound)?, origin))
}

/// Where `gcloud auth application-default login` writes.
fn default_file() -> Option<PathBuf> {
    let folder = env("CLOUDSDK_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env("HOME")?).join(".config/gcloud")));
    Some(folder?.join("application_default_credentials.json"))
}

/// Whose quota is used, where it is not that of the credentials' own project.
/// gcloud has words of its own for "none" and "the project".
fn quota_project() -> Option<String> {
    let words = ["LEGACY", "CURRENT_PROJECT", "CURRENT_PROJECT_WITH_FALLBACK"];
    env("GOOGLE_CLOUD_QUOTA_PROJECT").or_else(|| {
        env("CLOUDSDK_BILLING_QUOTA_PROJECT").filter(|project| !words.contains(&project.as_str()))
    })
}
