//! A tracking server, asked through its REST API.

use super::{Backend, FileInfo, HISTORY, LoggedModel, RegisteredModel, Root, Run, Version};
use crate::api;
use crate::client::Client;
use crate::error::Error;
use crate::location::{Location, Proxy};
use crate::uri::Selector;

impl Backend for Client {
    fn run(&self, id: &str) -> Result<Option<Run>, Error> {
        match self.get_run(id) {
            Ok(run) => Ok(Some(run.into())),
            // Without a code the route is missing, and this is no MLflow.
            Err(error) if error.status() == Some(404) && error.code().is_some() => Ok(None),
            Err(error) => Err(self.explain(format!("cannot look up run '{id}'"), error)),
        }
    }

    fn logged_model(&self, id: &str) -> Result<Option<LoggedModel>, Error> {
        match self.get_logged_model(id) {
            Ok(model) => Ok(Some(model.info.into())),
            Err(error) if error.status() == Some(404) && error.code().is_some() => Ok(None),
            Err(error) if error.status() == Some(404) => Err(no_logged_models(&self.server, id)),
            Err(error) => Err(self.explain(format!("cannot look up model '{id}'"), error)),
        }
    }

    /// MLflow 2, which knows none, is not asked.
    fn logged_models(&self, run: &Run) -> Result<Vec<LoggedModel>, Error> {
        if !run.may_have_logged_models {
            return Ok(Vec::new());
        }
        let found = self.search_logged_models(&run.experiment_id, &run.id).map_err(|error| {
            self.explain(format!("cannot list the models of run '{}'", run.id), error)
        })?;
        let mut models: Vec<_> = found.into_iter().map(LoggedModel::from).collect();
        LoggedModel::last_first(&mut models);
        Ok(models)
    }

    fn version(&self, name: &str, selector: &Selector) -> Result<Option<Version>, Error> {
        let found = match selector {
            Selector::Version(number) => {
                self.model_version(name, &number.to_string()).map(|found| vec![found])
            }
            Selector::Alias(alias) => self.version_by_alias(name, alias).map(|found| vec![found]),
            Selector::Stage(stage) => self.latest_versions(name, Some(stage)),
            Selector::Latest => self.latest_versions(name, None),
        };
        match found {
            Ok(found) => Ok(Version::newest(found.into_iter().map(Version::from).collect())),
            // An alias that is not there is a 400, and so is an unknown stage.
            Err(error) if matches!(error.status(), Some(400 | 404)) && error.code().is_some() => {
                Ok(None)
            }
            Err(error) => Err(self.explain(format!("cannot look up model '{name}'"), error)),
        }
    }

    fn download_uri(&self, version: &Version) -> Result<String, Error> {
        let Version { name, number, .. } = version;
        self.get_download_uri(name, &number.to_string()).map_err(|error| {
            let what = format!("cannot find the files of version {number} of model '{name}'");
            self.explain(what, error)
        })
    }

    fn registered_model(&self, name: &str) -> Result<Option<RegisteredModel>, Error> {
        let model = match self.get_registered_model(name) {
            Ok(model) => model,
            Err(error) if error.status() == Some(404) && error.code().is_some() => return Ok(None),
            Err(error) => {
                return Err(self.explain(format!("cannot look up model '{name}'"), error));
            }
        };
        let versions = self.some_versions(name).unwrap_or_default();
        Ok(Some(RegisteredModel {
            versions: versions.iter().filter_map(|found| found.version.parse().ok()).collect(),
            aliases: model.aliases.into_iter().map(|it| (it.alias, it.version)).collect(),
        }))
    }

    fn some_registered_models(&self) -> Result<Vec<String>, Error> {
        let models = self
            .search_registered_models()
            .map_err(|error| self.explain("cannot list the registered models", error))?;
        Ok(models.into_iter().map(|model| model.name).collect())
    }

    fn list(&self, root: Root<'_>, path: &str) -> Result<Vec<FileInfo>, Error> {
        let listed = match root {
            Root::Run(id) => self.list_run(id, path),
            Root::Logged(id) => self.list_logged(id, path),
        };
        listed.map_err(|error| self.explain(format!("cannot list '{}'", root.uri(path)), error))
    }

    /// Its own artifact proxy goes by its short name.
    fn place(&self, mut recorded: Location) -> Result<Location, Error> {
        if let Location::Proxied { proxy, .. } = &mut recorded
            && is_own(self, proxy)
        {
            *proxy = Proxy::Tracking;
        }
        Ok(recorded)
    }

    fn client(&self) -> Option<&Client> {
        Some(self)
    }
}

fn is_own(client: &Client, proxy: &Proxy) -> bool {
    match proxy {
        Proxy::Tracking => true,
        Proxy::Host(host) => client.server.at_host(host).is_ok_and(|it| it == client.server),
        Proxy::Server(server) => *server == client.server,
    }
}

fn no_logged_models(server: &impl std::fmt::Display, id: &str) -> Error {
    Error::missing(
        format!("'{server}' knows no logged models, such as '{id}'"),
        Some("logged models came with MLflow 3; name the model by its run or version".into()),
    )
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl From<api::Run> for Run {
    fn from(run: api::Run) -> Self {
        let history = run.data.tags.into_iter().find(|tag| tag.key == HISTORY);
        Self {
            id: run.info.run_id,
            experiment_id: run.info.experiment_id,
            artifact_uri: run.info.artifact_uri,
            deleted: run.info.lifecycle_stage == "deleted",
            history: history.map(|tag| tag.value),
            may_have_logged_models: run.outputs.is_some(),
        }
    }
}

impl From<api::LoggedModelInfo> for LoggedModel {
    fn from(info: api::LoggedModelInfo) -> Self {
        let finished = matches!(info.status.as_str(), "LOGGED_MODEL_READY" | "");
        Self {
            id: info.model_id,
            experiment_id: info.experiment_id,
            name: info.name,
            artifact_uri: info.artifact_uri,
            unfinished: (!finished).then_some(info.status),
            source_run_id: some(info.source_run_id),
            created: info.creation_timestamp_ms,
        }
    }
}

impl From<api::ModelVersion> for Version {
    fn from(version: api::ModelVersion) -> Self {
        Self {
            number: version.version.parse().unwrap_or_default(),
            name: version.name,
            source: version.source,
            storage: None,
            run_id: some(version.run_id),
            status: version.status,
        }
    }
}
