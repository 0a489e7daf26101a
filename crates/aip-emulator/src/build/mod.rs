//! Cloud Build, v1, as far as a bundle of ours needs it.
//!
//! There is no Docker here. The Dockerfile that aip-bundle writes is carried
//! out with this machine's own tools; any other is refused, with the line at
//! which it begins to be another.

mod assemble;
mod changes;
mod context;
mod docker;
mod dockerfile;
mod methods;
mod path;
mod record;
mod request;
mod shell;
mod substitution;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::timeout;

pub(crate) use methods::intercept;

use crate::api::running::Running;
use crate::api::saved::Saved;
use crate::registry::Registry;
use crate::runtime::{Interpreters, find_uv};
use crate::say::say;
use crate::state::Options;
use crate::storage::Store;
use assemble::Tools;
use record::{Catalog, End, Record};

/// Builds, done and under way.
#[derive(Debug, Clone)]
pub struct Builds(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    catalog: Saved<Catalog>,
    running: Running,
    interpreters: Interpreters,
    uv: Option<PathBuf>,
}

impl Builds {
    pub fn new(options: &Options) -> Self {
        let dir = options.data_dir.join("build");
        let uv = find_uv();
        let catalog = Saved::open(dir.join("catalog.json"), |catalog: &mut Catalog| {
            for record in catalog.values_mut() {
                let detail = "the emulator was stopped while the build ran".to_owned();
                record.finish(End::Failure { kind: "FAILURE_TYPE_UNSPECIFIED", detail });
            }
        });
        Self(Arc::new(Inner {
            dir,
            catalog,
            running: Running::default(),
            interpreters: Interpreters::new(options.pythons.clone(), uv.clone()),
            uv,
        }))
    }

    pub fn shutdown(&self) {
        self.0.running.abort_all();
    }

    /// Carries out a build apart from the request that asked for it.
    fn begin(&self, id: &str, wanted: Map<String, Value>, storage: Store, registry: Registry) {
        let (builds, own) = (self.clone(), id.to_owned());
        let limit = request::timeout(&wanted);
        self.0.running.spawn(id, async move {
            builds.change(&own, |record| {
                record.set("status", "WORKING");
                record.set("startTime", crate::api::stamp::now());
            });
            let end = timeout(limit, builds.0.carry_out(&wanted, &storage, &registry)).await;
            let end = end.unwrap_or(End::Timeout);
            if let End::Failure { detail, .. } = &end {
                say(&format!("build {own}: {detail}"));
            }
            builds.change(&own, |record| record.finish(end));
        });
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Record)) {
        let changed = self.0.catalog.change(|catalog| {
            if let Some(record) = catalog.get_mut(id) {
                change(record);
            }
            Ok(())
        });
        if let Err(err) = changed {
            say(&format!("cannot keep the build '{id}': {}", err.message()));
        }
    }
}

impl Inner {
    async fn carry_out(
        &self,
        wanted: &Map<String, Value>,
        storage: &Store,
        registry: &Registry,
    ) -> End {
        let scratch = std::fs::create_dir_all(&self.dir)
            .and_then(|()| tempfile::Builder::new().prefix(".build-").tempdir_in(&self.dir));
        match scratch {
            Ok(scratch) => {
                let tools =
                    Tools { registry, interpreters: &self.interpreters, uv: self.uv.as_deref() };
                work::perform(&tools, storage, wanted, scratch.path()).await
            }
            Err(err) => {
                let detail = format!("the emulator's disk failed: {err}");
                End::Failure { kind: "FAILURE_TYPE_UNSPECIFIED", detail }
            }
        }
    }
}

/// Longer than any build of ours takes; the service's own limit is a day.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
