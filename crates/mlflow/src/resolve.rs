//! From what was asked for to where the files are.

use deployment::Lineage;
use transport::HttpError;

use crate::absent;
use crate::api::{LoggedModelInfo, ModelVersion, Run};
use crate::client::Client;
use crate::error::Error;
use crate::location::{Location, Proxy, join};
use crate::uri::{ModelUri, Selector};

/// A version may point to a run, a run to a logged model; no further.
const MAX_STEPS: u8 = 5;

/// A model that is pinned: asked for again, it is the same one.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub uri: ModelUri,
    pub location: Location,
    pub served: Served,
    pub lineage: Lineage,
    /// What to call it where people look.
    pub label: String,
    /// What a person should know: a message and the next step.
    pub remarks: Vec<(String, Option<String>)>,
}

/// How the tracking server itself names the files, besides their location: as
/// some path of a run, or of a logged model. It serves any store so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    pub run: Option<(String, String)>,
    pub logged: Option<(String, String)>,
}

impl Resolved {
    fn at(uri: ModelUri, location: Location, label: impl Into<String>) -> Self {
        Self {
            uri,
            location,
            served: Served::default(),
            lineage: Lineage::default(),
            label: label.into(),
            remarks: Vec::new(),
        }
    }

    fn below(mut self, path: Option<&str>) -> Self {
        let Some(path) = path else { return self };
        self.location = self.location.below(path);
        for (_, served) in [&mut self.served.run, &mut self.served.logged].into_iter().flatten() {
            *served = join(served, path);
        }
        self
    }
}

/// Finds a model. The client may be absent where the URI needs no server.
pub fn resolve(uri: &ModelUri, client: Option<&Client>) -> Result<Resolved, Error> {
    match (uri, client) {
        (_, Some(client)) => Resolver { client }.step(uri, MAX_STEPS),
        (ModelUri::Location(location), None) if !uri.needs_server() => {
            Ok(Resolved::at(uri.clone(), location.clone(), label_of(location)))
        }
        _ => Err(Error::usage(
            format!("'{uri}' needs an MLflow server to say where it is"),
            "give --tracking-uri, or set MLFLOW_TRACKING_URI",
        )),
    }
}

struct Resolver<'a> {
    client: &'a Client,
}

impl Resolver<'_> {
    fn step(&self, uri: &ModelUri, steps: u8) -> Result<Resolved, Error> {
        let Some(steps) = steps.checked_sub(1) else {
            return Err(Error::broken(format!("'{uri}' is the last of a chain without end")));
        };
        log::debug!("resolving {uri}");
        match uri {
            ModelUri::Location(location) => Ok(self.location(location)),
            ModelUri::Logged { model_id, path } => self.logged(model_id, path.as_deref()),
            ModelUri::Run { run_id, path: Some(path) } => self.run(run_id, path),
            ModelUri::Run { run_id, path: None } => {
                self.step(&crate::candidates::only_model(self.client, run_id)?, steps)
            }
            ModelUri::Registered { name, selector, path } => {
                self.registered(name, selector, path.as_deref(), steps)
            }
        }
    }

    fn location(&self, location: &Location) -> Resolved {
        // What is pinned names the server, for those who come without it.
        let uri = ModelUri::Location(location.clone());
        let mut location = location.clone();
        if let Location::Proxied { proxy, .. } = &mut location
            && self.is_ours(proxy)
        {
            *proxy = Proxy::Tracking;
        }
        let mut resolved = Resolved::at(uri, location.clone(), label_of(&location));
        // A run's own path is the faster one on some servers.
        if let Some(run_id) = run_in_path(&location) {
            self.find_in_run(&mut resolved, run_id);
        }
        resolved
    }

    fn is_ours(&self, proxy: &Proxy) -> bool {
        match proxy {
            Proxy::Tracking => true,
            Proxy::Host(host) => {
                self.client.server.at_host(host).is_ok_and(|it| it == self.client.server)
            }
            Proxy::Server(server) => *server == self.client.server,
        }
    }

    fn run(&self, run_id: &str, path: &str) -> Result<Resolved, Error> {
        let run = find_run(self.client, run_id)?;
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let mut named = self.logged_models(&run)?;
        named.retain(|model| model.name == first);
        if let Some(model) = named.first() {
            let rest = (!rest.is_empty()).then_some(rest);
            let mut resolved = Self::at_logged(model, rest);
            if named.len() > 1 {
                resolved.remarks.push((
                    format!(
                        "run '{run_id}' has {} models named '{first}'; took the last one, '{}'",
                        named.len(),
                        model.model_id
                    ),
                    Some(format!(
                        "name one: {}",
                        list(named.iter().map(|m| format!("models:/{}", m.model_id)))
                    )),
                ));
            }
            return Ok(resolved);
        }
        let uri = ModelUri::Run { run_id: run_id.into(), path: Some(path.into()) };
        let location = run.info.artifact_uri.parse::<Location>()?;
        let label = path.rsplit('/').next().unwrap_or(path);
        let mut resolved = Resolved::at(uri, location, label);
        resolved.served.run = Some((run_id.into(), String::new()));
        resolved.lineage.run_id = Some(run_id.into());
        resolved.lineage.experiment_id = Some(run.info.experiment_id.clone());
        if run.info.lifecycle_stage == "deleted" {
            resolved.remarks.push((
                format!("run '{run_id}' is marked as deleted"),
                Some(format!("mlflow runs restore --run-id {run_id}")),
            ));
        }
        Ok(resolved.below(Some(path)))
    }

    /// None on MLflow 2, which is not asked: its runs say so.
    fn logged_models(&self, run: &Run) -> Result<Vec<LoggedModelInfo>, Error> {
        if run.outputs.model_outputs.is_empty() {
            return Ok(Vec::new());
        }
        self.client.logged_models_of(&run.info).map_err(|error| {
            self.client
                .explain(format!("cannot list the models of run '{}'", run.info.run_id), error)
        })
    }

    fn logged(&self, model_id: &str, path: Option<&str>) -> Result<Resolved, Error> {
        let model = self.client.logged_model(model_id).map_err(|error| match error.status() {
            Some(404) if error.code().is_none() => Error::missing(
                format!("'{}' knows no logged models, such as '{model_id}'", self.client.server),
                Some(
                    "logged models came with MLflow 3; name the model by its run or version".into(),
                ),
            ),
            Some(404) => Error::missing(
                format!("logged model '{model_id}' does not exist at '{}'", self.client.server),
                Some("a run's models are listed by: mlf-fetch RUN_ID".into()),
            ),
            _ => self.client.explain(format!("cannot look up model '{model_id}'"), error),
        })?;
        let mut resolved = Self::at_logged(&model.info, path);
        if !matches!(model.info.status.as_str(), "LOGGED_MODEL_READY" | "") {
            resolved.remarks.push((
                format!("logged model '{model_id}' is {}", model.info.status),
                Some("the run that logged it did not finish it; look whether it loads".into()),
            ));
        }
        Ok(resolved)
    }

    fn at_logged(model: &LoggedModelInfo, path: Option<&str>) -> Resolved {
        let uri =
            ModelUri::Logged { model_id: model.model_id.clone(), path: path.map(str::to_owned) };
        // An address that cannot be read here is still served by the server.
        let location = model.artifact_uri.parse().unwrap_or_else(|_| Location::Other {
            scheme: "unknown".into(),
            uri: model.artifact_uri.clone(),
        });
        let label = if model.name.is_empty() { "model" } else { &model.name };
        let mut resolved = Resolved::at(uri, location, label);
        resolved.served.logged = Some((model.model_id.clone(), String::new()));
        resolved.lineage.model_id = Some(model.model_id.clone());
        resolved.lineage.experiment_id = Some(model.experiment_id.clone());
        resolved.lineage.run_id =
            Some(model.source_run_id.clone()).filter(|run_id| !run_id.is_empty());
        resolved.below(path)
    }

    fn registered(
        &self,
        name: &str,
        selector: &Selector,
        path: Option<&str>,
        steps: u8,
    ) -> Result<Resolved, Error> {
        let found = self.version(name, selector).map_err(|error| match error.status() {
            Some(400 | 404) => absent::version(self.client, name, selector, error),
            _ => self.client.explain(format!("cannot look up model '{name}'"), error),
        })?;
        let Some(found) = found else { return Err(absent::in_stage(self.client, name, selector)) };
        if !matches!(found.status.as_str(), "READY" | "") {
            return Err(Error::missing(
                format!("version {} of model '{name}' is {}", found.version, found.status),
                Some("wait until it is READY, or register it again".into()),
            ));
        }
        let mut resolved = self.version_files(&found, steps)?.below(path);
        resolved.lineage.registered_model = Some(found.name.clone());
        resolved.lineage.registered_version = Some(found.version.clone());
        resolved.label = format!("{}-{}", found.name, found.version);
        resolved.uri = ModelUri::Registered {
            name: found.name,
            selector: Selector::Version(found.version.parse().unwrap_or_default()),
            path: path.map(str::to_owned),
        };
        Ok(resolved)
    }

    fn version(&self, name: &str, selector: &Selector) -> Result<Option<ModelVersion>, HttpError> {
        let latest = |stage| {
            let versions = self.client.latest_versions(name, stage)?;
            Ok(versions.into_iter().max_by_key(|found| found.version.parse::<u64>().unwrap_or(0)))
        };
        match selector {
            Selector::Version(version) => {
                self.client.model_version(name, &version.to_string()).map(Some)
            }
            Selector::Alias(alias) => self.client.version_by_alias(name, alias).map(Some),
            Selector::Stage(stage) => latest(Some(stage)),
            Selector::Latest => latest(None),
        }
    }

    /// `source` names a logged model on MLflow 3; else only the server knows
    /// where it put the files, and may answer with another URI.
    fn version_files(&self, version: &ModelVersion, steps: u8) -> Result<Resolved, Error> {
        let wrapped = |uri: &str| uri.starts_with("runs:/") || uri.starts_with("models:/");
        if let Ok(source @ ModelUri::Logged { .. }) = version.source.parse() {
            return self.step(&source, steps);
        }
        let ModelVersion { name, version: number, .. } = version;
        let uri = self.client.download_uri(name, number).map_err(|error| {
            let what = format!("cannot find the files of version {number} of model '{name}'");
            self.client.explain(what, error)
        })?;
        if wrapped(&uri) {
            return self.step(&uri.parse()?, steps);
        }
        let mut resolved = self.location(&uri.parse()?);
        if !version.run_id.is_empty() {
            resolved.lineage.run_id = Some(version.run_id.clone());
            if resolved.served.run.is_none() {
                self.find_in_run(&mut resolved, &version.run_id);
            }
        }
        Ok(resolved)
    }

    /// Notes the files' path in a run, if they lie below its root. A run that
    /// is gone, or not ours to read, is no reason to fail.
    fn find_in_run(&self, resolved: &mut Resolved, run_id: &str) {
        let run = match self.client.run(run_id) {
            Ok(run) => run,
            Err(error) => return log::debug!("run '{run_id}' is of no help: {error}"),
        };
        let Ok(root) = run.info.artifact_uri.parse::<Location>() else { return };
        let (root, full) = (root.to_string(), resolved.location.to_string());
        let below = full.strip_prefix(root.trim_end_matches('/'));
        let Some(below) = below.filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
            return;
        };
        resolved.served.run = Some((run_id.into(), below.trim_start_matches('/').into()));
        resolved.lineage.run_id = Some(run_id.into());
        resolved.lineage.experiment_id = Some(run.info.experiment_id);
    }
}

pub(crate) fn find_run(client: &Client, run_id: &str) -> Result<Run, Error> {
    client.run(run_id).map_err(|error| match (error.status(), error.code()) {
        (Some(404), Some(_)) => Error::missing(
            format!("run '{run_id}' does not exist at '{}'", client.server),
            Some(
                "check the run id, and that --tracking-uri names the server it was logged to"
                    .into(),
            ),
        ),
        _ => client.explain(format!("cannot look up run '{run_id}'"), error),
    })
}

/// `'a', 'b', 'c'`
pub(crate) fn list(names: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 20;
    let mut names: Vec<_> = names.map(|name| format!("'{name}'")).collect();
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        names.truncate(SHOWN);
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

fn label_of(location: &Location) -> String {
    let text = match location {
        Location::Local(path) => {
            let full = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            full.to_string_lossy().into_owned()
        }
        Location::Proxied { path, .. } => path.clone(),
        Location::Storage { prefix, .. } => prefix.clone(),
        Location::Other { uri, .. } => uri.clone(),
    };
    let mut steps = text.rsplit('/').filter(|step| !matches!(*step, "" | "." | "artifacts"));
    steps.next().unwrap_or("model").to_owned()
}

/// MLflow keeps a run's files below `…/RUN_ID/artifacts`.
fn run_in_path(location: &Location) -> Option<&str> {
    let Location::Proxied { proxy: Proxy::Tracking, path } = location else { return None };
    let steps: Vec<_> = path.split('/').collect();
    let at = steps.iter().position(|step| *step == "artifacts")?;
    let id = *steps.get(at.checked_sub(1)?)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}
