//! The calls of MLflow's REST API that finding a model takes, and as much of
//! their answers.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use transport::HttpError;

use crate::client::Client;
use crate::pages::{Page, all};

const API: &str = "/api/2.0/mlflow";

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) info: RunInfo,
    #[serde(default)]
    pub(crate) data: RunData,
    /// Which models it logged. MLflow 3 says so of every run, be it that there
    /// are none, and MLflow 2 of no run.
    pub(crate) outputs: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RunInfo {
    pub(crate) run_id: String,
    pub(crate) experiment_id: String,
    pub(crate) artifact_uri: String,
    #[serde(default)]
    pub(crate) lifecycle_stage: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct RunData {
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

/// MLflow 3's model outside a run's artifacts.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LoggedModel {
    pub(crate) info: LoggedModelInfo,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LoggedModelInfo {
    pub(crate) model_id: String,
    pub(crate) experiment_id: String,
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) artifact_uri: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) source_run_id: String,
    #[serde(default)]
    pub(crate) creation_timestamp_ms: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ModelVersion {
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) run_id: String,
    #[serde(default)]
    pub(crate) status: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct RegisteredModel {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) aliases: Vec<Alias>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Alias {
    pub(crate) alias: String,
    pub(crate) version: String,
}

/// One entry of a directory, as all listings give it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FileInfo {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) is_dir: bool,
    pub(crate) file_size: Option<u64>,
}

/// What a server says of itself, since 3.
#[derive(Debug, Deserialize)]
pub(crate) struct ServerInfo {
    #[serde(default)]
    pub(crate) multipart_downloads_enabled: bool,
    #[serde(default)]
    pub(crate) workspaces_enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Listing {
    #[serde(default)]
    pub(crate) files: Vec<FileInfo>,
    next_page_token: Option<String>,
}

impl Client {
    pub(crate) fn server_info(&self) -> Result<ServerInfo, HttpError> {
        self.get("/api/3.0/mlflow/server-info", &[])
    }

    pub(crate) fn get_run(&self, run_id: &str) -> Result<Run, HttpError> {
        #[derive(Deserialize)]
        struct Answer {
            run: Run,
        }
        let answer: Answer = self.get(&format!("{API}/runs/get"), &[("run_id", run_id)])?;
        Ok(answer.run)
    }

    pub(crate) fn get_logged_model(&self, id: &str) -> Result<LoggedModel, HttpError> {
        #[derive(Deserialize)]
        struct Answer {
            model: LoggedModel,
        }
        let answer: Answer = self.get(&format!("{API}/logged-models/{id}"), &[])?;
        Ok(answer.model)
    }

    /// The logged models of a run.
    pub(crate) fn search_logged_models(
        &self,
        experiment_id: &str,
        run_id: &str,
    ) -> Result<Vec<LoggedModelInfo>, HttpError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            models: Vec<LoggedModel>,
            next_page_token: Option<String>,
        }
        let route = format!("{API}/logged-models/search");
        let found = all(|page| {
            let mut body = json!({
                "experiment_ids": [experiment_id],
                "filter": format!("source_run_id = '{run_id}'"),
            });
            if let Some(page) = page {
                body["page_token"] = json!(page);
            }
            let answer: Answer = self.post(&route, &body)?;
            Ok(Page { items: answer.models, next: answer.next_page_token })
        })?;
        let found = found.ok_or_else(|| self.endless("POST", &route))?;
        Ok(found.into_iter().map(|model| model.info).collect())
    }

    pub(crate) fn model_version(
        &self,
        name: &str,
        version: &str,
    ) -> Result<ModelVersion, HttpError> {
        let query = [("name", name), ("version", version)];
        let answer: VersionAnswer = self.get(&format!("{API}/model-versions/get"), &query)?;
        Ok(answer.model_version)
    }

    pub(crate) fn version_by_alias(
        &self,
        name: &str,
        alias: &str,
    ) -> Result<ModelVersion, HttpError> {
        let query = [("name", name), ("alias", alias)];
        let answer: VersionAnswer = self.get(&format!("{API}/registered-models/alias"), &query)?;
        Ok(answer.model_version)
    }

    /// The newest version of each stage, or of one.
    pub(crate) fn latest_versions(
        &self,
        name: &str,
        stage: Option<&str>,
    ) -> Result<Vec<ModelVersion>, HttpError> {
        let mut body = json!({"name": name});
        if let Some(stage) = stage {
            body["stages"] = json!([stage]);
        }
        let route = format!("{API}/registered-models/get-latest-versions");
        let answer: VersionsAnswer = self.post(&route, &body)?;
        Ok(answer.model_versions)
    }

    /// Where a version's files are. Right on every server, as `source` is not.
    pub(crate) fn get_download_uri(&self, name: &str, version: &str) -> Result<String, HttpError> {
        #[derive(Deserialize)]
        struct Answer {
            artifact_uri: String,
        }
        let query = [("name", name), ("version", version)];
        let route = format!("{API}/model-versions/get-download-uri");
        let answer: Answer = self.get(&route, &query)?;
        Ok(answer.artifact_uri)
    }

    pub(crate) fn get_registered_model(&self, name: &str) -> Result<RegisteredModel, HttpError> {
        #[derive(Deserialize)]
        struct Answer {
            registered_model: RegisteredModel,
        }
        let route = format!("{API}/registered-models/get");
        let answer: Answer = self.get(&route, &[("name", name)])?;
        Ok(answer.registered_model)
    }

    /// Some registered models: to say what there is, not to find one.
    pub(crate) fn search_registered_models(&self) -> Result<Vec<RegisteredModel>, HttpError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            registered_models: Vec<RegisteredModel>,
        }
        let route = format!("{API}/registered-models/search");
        let answer: Answer = self.get(&route, &[("max_results", "20")])?;
        Ok(answer.registered_models)
    }

    /// Some versions, the newest first.
    pub(crate) fn some_versions(&self, name: &str) -> Result<Vec<ModelVersion>, HttpError> {
        let quote = if name.contains('\'') { '"' } else { '\'' };
        let filter = format!("name = {quote}{name}{quote}");
        let query = [
            ("filter", filter.as_str()),
            ("max_results", "20"),
            ("order_by", "version_number DESC"),
        ];
        let answer: VersionsAnswer = self.get(&format!("{API}/model-versions/search"), &query)?;
        Ok(answer.model_versions)
    }

    /// A run's directory; paths are relative to the run's root.
    pub(crate) fn list_run(&self, run_id: &str, path: &str) -> Result<Vec<FileInfo>, HttpError> {
        self.pages(&format!("{API}/artifacts/list"), &[("run_id", run_id), ("path", path)])
    }

    /// A logged model's directory; paths are relative to its root.
    pub(crate) fn list_logged(&self, id: &str, path: &str) -> Result<Vec<FileInfo>, HttpError> {
        let route = format!("{API}/logged-models/{id}/artifacts/directories");
        self.pages(&route, &[("artifact_directory_path", path)])
    }

    /// A directory of the artifact proxy; paths are names.
    pub(crate) fn list_proxied(&self, path: &str) -> Result<Vec<FileInfo>, HttpError> {
        self.pages(crate::server::PROXY_ROUTE, &[("path", path)])
    }

    /// Open-source servers give all in one page; hosted ones may not.
    fn pages(&self, route: &str, query: &[(&str, &str)]) -> Result<Vec<FileInfo>, HttpError> {
        let query: Vec<_> = query.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
        let files = all(|page| {
            let mut query = query.clone();
            query.extend(page.map(|page| ("page_token", page)));
            let listing: Listing = self.get(route, &query)?;
            Ok(Page { items: listing.files, next: listing.next_page_token })
        })?;
        files.ok_or_else(|| self.endless("GET", route))
    }

    fn endless(&self, method: &'static str, route: &str) -> HttpError {
        HttpError::unreadable(method, &self.server.url(route), &"a listing that has no end")
    }
}

#[derive(Deserialize)]
struct VersionAnswer {
    model_version: ModelVersion,
}

#[derive(Deserialize)]
struct VersionsAnswer {
    #[serde(default)]
    model_versions: Vec<ModelVersion>,
}
