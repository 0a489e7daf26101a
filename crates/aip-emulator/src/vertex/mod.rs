//! Vertex AI v1 (`aiplatform.googleapis.com`), as far as models are served by
//! it, and the lines that their containers write to Cloud Logging.

mod artifacts;
mod batch;
mod catalog;
mod container_spec;
mod deploy;
mod deployed;
mod endpoint;
mod endpoints;
mod explain;
mod filter;
mod http;
mod job;
mod jobs;
mod list;
mod logging;
mod logs;
mod methods;
mod model;
mod models;
mod names;
mod numbers;
mod operation;
mod operations;
mod parameters;
mod path;
mod plan;
mod predict;
mod raw;
mod refusal;
mod resources;
mod router;
mod schema;
mod server;
mod serving;
mod settings;
mod split;
mod upload;
mod versions;

use std::sync::{Arc, OnceLock};

pub(crate) use methods::{is_method, method};
pub(crate) use router::router;

use crate::api::project::number;
use crate::api::running::Running;
use crate::api::saved::Saved;
use crate::state::Options;
use catalog::Catalog;
use http::Http;
use logs::Logs;
use serving::Serving;
use split::Splitter;

/// Models, endpoints, jobs, operations, and the servers of what is deployed.
#[derive(Debug, Clone)]
pub struct Vertex(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Saved<Catalog>,
    running: Running,
    serving: Serving,
    splitter: Splitter,
    http: Http,
    logs: Logs,
    /// Where dedicated endpoints are asked
    dns: OnceLock<String>,
}

impl Vertex {
    pub fn new(options: &Options) -> Self {
        let file = options.data_dir.join("vertex").join("catalog.json");
        Self(Arc::new(Inner {
            catalog: Saved::open(file, Catalog::close_interrupted),
            running: Running::default(),
            serving: Serving::default(),
            splitter: Splitter::default(),
            http: Http::default(),
            logs: Logs::default(),
            dns: OnceLock::new(),
        }))
    }

    /// Says on which port requests reach the emulator, once that is known. A
    /// dedicated endpoint has a name of its own, so that whoever asks for it
    /// by the shared one can be refused.
    pub(crate) fn set_port(&self, port: u16) {
        self.0.dns.get_or_init(|| format!("localhost:{port}"));
    }

    /// Ends what is under way. The containers are stopped by whoever runs them.
    pub fn shutdown(&self) {
        self.0.running.abort_all();
    }

    /// Keeps the id of a project, of which everything else has the number.
    fn remember_project(&self, project: &str) {
        let number = number(project);
        let is_known = self.0.catalog.read(|catalog| catalog.projects.contains_key(&number));
        if number != project && !is_known {
            self.0.catalog.touch(|catalog| catalog.projects.insert(number, project.to_owned()));
        }
    }
}

impl Inner {
    fn dns(&self) -> &str {
        self.dns.get().map_or("", String::as_str)
    }
}
