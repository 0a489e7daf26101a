//! AI Platform Prediction v1 (`ml.googleapis.com`), as it was until its end.

mod catalog;
mod deploy;
mod filter;
mod mask;
mod models;
mod names;
mod operation;
mod operations;
mod page;
mod predict;
mod project;
mod refusal;
mod router;
mod rules;
mod running;
mod schema;
mod snapshot;
mod versions;
mod workers;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use router::router;

use crate::api::running::Running;
use crate::api::saved::Saved;
use crate::runtime::{Environments, Interpreters};
use crate::state::Options;
use catalog::Catalog;
use workers::Workers;

/// Models, versions, operations, and the workers that serve them.
#[derive(Debug, Clone)]
pub struct Ml(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where the catalog and the deployed versions are kept
    dir: PathBuf,
    strict: bool,
    catalog: Saved<Catalog>,
    running: Running,
    workers: Workers,
    interpreters: Interpreters,
    environments: Environments,
    /// Where the listener is: a predictor that reads from its bucket is sent
    /// there
    endpoint: OnceLock<String>,
    said: Mutex<HashSet<String>>,
}

impl Inner {
    /// A remark that every further version would only repeat.
    fn say_once(&self, remark: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(remark.to_owned()) {
            crate::say::say(remark);
        }
    }
}

impl Ml {
    pub fn new(options: &Options) -> Self {
        let dir = options.data_dir.join("ml");
        let uv = crate::runtime::find_uv();
        let cache = crate::runtime::cache_dir(options).unwrap_or_else(|| dir.clone());
        Self(Arc::new(Inner {
            strict: options.strict_runtime,
            catalog: Saved::open(dir.join("catalog.json"), Catalog::close_interrupted),
            running: Running::default(),
            workers: Workers::default(),
            interpreters: Interpreters::new(options.pythons.clone(), uv.clone()),
            environments: Environments::new(cache.join("envs"), uv),
            endpoint: OnceLock::new(),
            said: Mutex::default(),
            dir,
        }))
    }

    /// Says where requests reach the emulator, once that is known.
    pub(crate) fn set_endpoint(&self, url: String) {
        self.0.endpoint.get_or_init(|| url);
    }

    /// Ends what is under way and stops every worker.
    pub async fn shutdown(&self) {
        self.0.running.abort_all();
        self.0.workers.stop_all().await;
    }
}
