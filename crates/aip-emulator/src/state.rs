//! What every request handler shares.

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use crate::build::Builds;
use crate::container::Containers;
use crate::faults::Faults;
use crate::ml::Ml;
use crate::registry::Registry;
use crate::storage::{Rewrites, Sessions, Store};
use crate::token::Tokens;
use crate::traffic::Traffic;
use crate::vertex::Vertex;

/// How the emulator behaves, as the command line says it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where objects, models and environments are kept
    pub data_dir: PathBuf,
    /// Where Python environments and unpacked images are kept; the user's
    /// cache unless said
    pub cache_dir: Option<PathBuf>,
    /// Refuse the runtimes that the service refused, rather than running them
    pub strict_runtime: bool,
    /// Interpreters to use, by version ("3.7")
    pub pythons: BTreeMap<String, PathBuf>,
    /// Answer 401 to a request without a bearer token
    pub require_token: bool,
    /// Take a blob in one PATCH, as docker and skopeo send it
    pub streamed_uploads: bool,
}

/// Cloned for every request and every layer that it passes.
#[derive(Clone)]
pub struct App(Arc<Shared>);

pub struct Shared {
    pub storage: Store,
    pub ml: Ml,
    pub vertex: Vertex,
    pub registry: Registry,
    pub containers: Containers,
    pub builds: Builds,
    pub options: Options,
    pub(crate) sessions: Sessions,
    pub(crate) rewrites: Rewrites,
    pub(crate) faults: Faults,
    pub(crate) tokens: Tokens,
    pub(crate) traffic: Option<Traffic>,
}

impl App {
    /// With `traffic`, a line about every request is written there.
    pub(crate) fn new(options: Options, traffic: Option<Traffic>) -> io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            storage: Store::open(&options.data_dir.join("storage"))?,
            ml: Ml::new(&options),
            vertex: Vertex::new(&options),
            registry: Registry::open(&options.data_dir.join("registry"))?,
            containers: Containers::new(&options),
            builds: Builds::new(&options),
            options,
            sessions: Sessions::default(),
            rewrites: Rewrites::default(),
            faults: Faults::default(),
            tokens: Tokens::default(),
            traffic,
        })))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
