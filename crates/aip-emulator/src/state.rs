//! What every request handler shares.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::ml::Ml;
use crate::storage::Store;

/// How the emulator behaves, as the command line says it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where objects, models and environments are kept
    pub data_dir: PathBuf,
    /// Refuse the runtimes that the service refused, rather than running them
    pub strict_runtime: bool,
    /// Interpreters to use, by version ("3.7")
    pub pythons: BTreeMap<String, PathBuf>,
    /// Answer 401 to a request without a bearer token
    pub require_token: bool,
}

#[derive(Debug, Clone)]
pub struct App {
    pub storage: Store,
    pub ml: Ml,
    pub options: Arc<Options>,
}

impl App {
    pub fn new(options: Options) -> io::Result<Self> {
        let storage = Store::open(&options.data_dir.join("storage"))?;
        let ml = Ml::new(&options);
        Ok(Self { storage, ml, options: Arc::new(options) })
    }
}
