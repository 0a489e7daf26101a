//! From what was asked for to where the files are.

use crate::absent;
use crate::backend::{Backend, LoggedModel, Root, Run, Tracking, Version};
use crate::error::Error;
use crate::location::Location;
use crate::resolved::{Resolved, label_of, run_in_path};
use crate::uri::{ModelUri, Selector};

/// A version may point to a run, a run to a logged model, and a version may be
/// made from another one. Nobody has more of them than this.
const MAX_STEPS: usize = 10;

/// Finds a model. Nobody may be there to ask where the URI needs nobody.
pub fn resolve(uri: &ModelUri, tracking: Option<&Tracking>) -> Result<Resolved, Error> {
    match (uri, tracking) {
        (_, Some(tracking)) => {
            Resolver { backend: tracking.backend(), chain: Vec::new() }.step(uri)
        }
        (ModelUri::Location(location), None) if !uri.needs_server() => {
            Ok(Resolved::at(uri.clone(), location.clone(), label_of(location)))
        }
        _ => Err(Error::usage(
            format!("'{uri}' needs MLflow to say where it is"),
            "give --tracking-uri, or set MLFLOW_TRACKING_URI",
        )),
    }
}

struct Resolver<'a> {
    backend: &'a dyn Backend,
    /// What led here.
    chain: Vec<String>,
}

impl Resolver<'_> {
    fn step(&mut self, uri: &ModelUri) -> Result<Resolved, Error> {
        self.follow(uri)?;
        match uri {
            ModelUri::Location(location) => self.location(location),
            ModelUri::Logged { model_id, path } => self.logged(model_id, path.as_deref()),
            ModelUri::Run { run_id, path: Some(path) } => self.run(run_id, path),
            ModelUri::Run { run_id, path: None } => {
                let only = crate::candidates::only_model(self.backend, run_id)?;
                self.step(&only)
            }
            ModelUri::Registered { name, selector, path } => {
                self.registered(name, selector, path.as_deref())
            }
        }
    }

    /// Notes the next step, which must lead somewhere.
    fn follow(&mut self, uri: &ModelUri) -> Result<(), Error> {
        let next = uri.to_string();
        match self.chain.last() {
            None => log::debug!("resolving '{next}' at '{}'", self.backend),
            Some(last) => log::debug!("'{last}' leads to '{next}'"),
        }
        let again = self.chain.contains(&next);
        self.chain.push(next);
        if again || self.chain.len() > MAX_STEPS {
            let message = if again {
                format!("'{}' leads back to itself", self.chain[0])
            } else {
                format!("'{}' leads on and on", self.chain[0])
            };
            return Err(Error::Broken {
                message,
                hint: Some(format!(
                    "the chain is {}; register the version again from its files",
                    self.chain.join(" > ")
                )),
            });
        }
        Ok(())
    }

    fn location(&self, recorded: &Location) -> Result<Resolved, Error> {
        // What is pinned names the server, for those who come without it.
        let uri = ModelUri::Location(recorded.clone());
        let location = self.backend.place(recorded.clone())?;
        let mut resolved = Resolved::at(uri, location.clone(), label_of(&location));
        // A run's own path is the faster one on some servers.
        if let Some(run_id) = run_in_path(&location) {
            self.find_in_run(&mut resolved, run_id);
        }
        Ok(resolved)
    }

    fn run(&mut self, run_id: &str, path: &str) -> Result<Resolved, Error> {
        let run = find_run(self.backend, run_id)?;
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let mut named = self.backend.logged_models(&run)?;
        named.retain(|model| model.name == first);
        let mut resolved = match last_finished(&named) {
            None => self.in_run(&run, path)?,
            Some(taken) => {
                let rest = (!rest.is_empty()).then_some(rest);
                let mut resolved = self.at_logged(taken, rest)?;
                self.follow(&resolved.uri)?;
                if named.len() > 1 {
                    resolved.remark(
                        format!(
                            "run '{run_id}' has {} models named '{first}'; took {}",
                            named.len(),
                            why_taken(taken, &named[0])
                        ),
                        format!(
                            "name one: {}",
                            list(named.iter().map(|model| format!("models:/{}", model.id)))
                        ),
                    );
                }
                self.note_neighbours(&mut resolved, run_id, path);
                resolved
            }
        };
        if run.deleted {
            resolved.remark(
                format!("run '{run_id}' is marked as deleted"),
                format!("mlflow runs restore --run-id {run_id}"),
            );
        }
        Ok(resolved)
    }

    /// A path among the run's own artifacts.
    fn in_run(&self, run: &Run, path: &str) -> Result<Resolved, Error> {
        let uri = ModelUri::Run { run_id: run.id.clone(), path: Some(path.into()) };
        let location = self.backend.place(run.artifact_uri.parse()?)?;
        let mut resolved = Resolved::at(uri, location, path.rsplit('/').next().unwrap_or(path));
        resolved.served.run = Some((run.id.clone(), String::new()));
        resolved.lineage.run_id = Some(run.id.clone());
        resolved.lineage.experiment_id = Some(run.experiment_id.clone());
        Ok(resolved.below(Some(path)))
    }

    /// MLflow's own client mixes a run's artifacts into the logged model of
    /// the same name. A model that was logged, whole, is what is deployed; that
    /// something lies beside it is said.
    fn note_neighbours(&self, resolved: &mut Resolved, run_id: &str, path: &str) {
        // A server may have to go far for a list, only for a warning.
        if !matches!(resolved.location, Location::Local(_) | Location::Proxied { .. }) {
            return;
        }
        let beside = self.backend.list(Root::Run(run_id), path).unwrap_or_default();
        if !beside.is_empty() {
            resolved.remark(
                format!(
                    "run '{run_id}' has files of its own in '{path}', which are not of the model: {}",
                    list(beside.into_iter().map(|file| file.path))
                ),
                "log what the model needs with the model, as its artifacts or code_paths".into(),
            );
        }
    }

    fn logged(&self, model_id: &str, path: Option<&str>) -> Result<Resolved, Error> {
        let Some(model) = self.backend.logged_model(model_id)? else {
            return Err(Error::missing(
                format!("logged model '{model_id}' does not exist at '{}'", self.backend),
                Some("a run's models are listed by: mlf-fetch RUN_ID".into()),
            ));
        };
        self.at_logged(&model, path)
    }

    fn at_logged(&self, model: &LoggedModel, path: Option<&str>) -> Result<Resolved, Error> {
        let uri = ModelUri::Logged { model_id: model.id.clone(), path: path.map(str::to_owned) };
        // An address that cannot be read here is still served by the server.
        let recorded = model.artifact_uri.parse().unwrap_or_else(|_| Location::Other {
            scheme: "unknown".into(),
            uri: model.artifact_uri.clone(),
        });
        let location = self.backend.place(recorded)?;
        let label = if model.name.is_empty() { "model" } else { &model.name };
        let mut resolved = Resolved::at(uri, location, label);
        resolved.served.logged = Some((model.id.clone(), String::new()));
        if let Some(status) = &model.unfinished {
            resolved.served.unfinished = true;
            resolved.remark(
                format!("logged model '{}' is {status}", model.id),
                "whoever logs it has not finished it; look whether it loads".into(),
            );
        }
        resolved.lineage.model_id = Some(model.id.clone());
        resolved.lineage.experiment_id = Some(model.experiment_id.clone());
        resolved.lineage.run_id.clone_from(&model.source_run_id);
        Ok(resolved.below(path))
    }

    fn registered(
        &mut self,
        name: &str,
        selector: &Selector,
        path: Option<&str>,
    ) -> Result<Resolved, Error> {
        let Some(found) = self.backend.version(name, selector)? else {
            return Err(absent::version(self.backend, name, selector));
        };
        if !matches!(found.status.as_str(), "READY" | "") {
            return Err(Error::missing(
                format!("version {} of model '{name}' is {}", found.number, found.status),
                Some("wait until it is READY, or register it again".into()),
            ));
        }
        let mut resolved = self.version_files(&found)?.below(path);
        resolved.lineage.registered_model = Some(found.name.clone());
        resolved.lineage.registered_version = Some(found.number.to_string());
        resolved.label = format!("{}-{}", found.name, found.number);
        resolved.uri = ModelUri::Registered {
            name: found.name,
            selector: Selector::Version(found.number),
            path: path.map(str::to_owned),
        };
        Ok(resolved)
    }

    /// `source` names a logged model on MLflow 3; else only MLflow knows where
    /// it put the files, and may answer with another URI.
    fn version_files(&mut self, version: &Version) -> Result<Resolved, Error> {
        if let Ok(source @ ModelUri::Logged { .. }) = version.source.parse() {
            return self.step(&source);
        }
        let uri: ModelUri = self.backend.download_uri(version)?.parse()?;
        let mut resolved = self.step(&uri)?;
        if let (Some(run_id), ModelUri::Location(_)) = (&version.run_id, &uri) {
            resolved.lineage.run_id = Some(run_id.clone());
            if resolved.served.run.is_none() {
                self.find_in_run(&mut resolved, run_id);
            }
        }
        Ok(resolved)
    }

    /// Notes the files' path in a run, if they lie below its root. A run that
    /// is gone, or not ours to read, is no reason to fail.
    fn find_in_run(&self, resolved: &mut Resolved, run_id: &str) {
        let run = match self.backend.run(run_id) {
            Ok(Some(run)) => run,
            Ok(None) => return log::debug!("run '{run_id}' is gone"),
            Err(error) => return log::debug!("run '{run_id}' is of no help: {error}"),
        };
        let root = run.artifact_uri.parse().and_then(|recorded| self.backend.place(recorded));
        let Ok(root) = root else { return };
        let (root, full) = (root.to_string(), resolved.location.to_string());
        let below = full.strip_prefix(root.trim_end_matches('/'));
        let Some(below) = below.filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
            return;
        };
        resolved.served.run = Some((run_id.into(), below.trim_start_matches('/').into()));
        resolved.lineage.run_id = Some(run_id.into());
        resolved.lineage.experiment_id = Some(run.experiment_id);
    }
}

pub(crate) fn find_run(backend: &dyn Backend, run_id: &str) -> Result<Run, Error> {
    backend.run(run_id)?.ok_or_else(|| absent::run(backend, run_id))
}

/// The one of several that is taken; they come the last one first. MLflow's
/// client takes the last one in any case: what broke off hides what is whole.
fn last_finished(models: &[LoggedModel]) -> Option<&LoggedModel> {
    models.iter().find(|model| model.unfinished.is_none()).or(models.first())
}

fn why_taken(taken: &LoggedModel, last: &LoggedModel) -> String {
    match &last.unfinished {
        Some(status) if taken.id != last.id => {
            format!("the last finished one, '{}', as '{}' is {status}", taken.id, last.id)
        }
        _ => format!("the last one, '{}'", taken.id),
    }
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
