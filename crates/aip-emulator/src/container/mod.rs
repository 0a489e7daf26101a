//! Containers: images that run.

#![expect(clippy::unused_async, reason = "the interface comes before what stands behind it")]

use std::sync::{Arc, OnceLock};

use crate::registry::Image;
use crate::state::Options;

/// What is running.
#[derive(Debug, Clone)]
pub struct Containers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where the listener is: a server that reads from its bucket is sent
    /// there
    endpoint: OnceLock<String>,
}

/// What is said of one container, beside its image.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Names it in the log
    pub label: String,
    /// Added to the image's own
    pub env: Vec<(String, String)>,
    /// In the place of the image's entrypoint, unless empty
    pub command: Vec<String>,
    /// In the place of the image's own arguments, unless empty
    pub args: Vec<String>,
}

/// Why a container was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot run the image '{0}'")]
    Unrunnable(String),
}

/// A container that was started; stopped when the last handle goes.
#[derive(Debug, Clone)]
pub struct Container(Arc<Running>);

#[derive(Debug)]
struct Running {
    port: u16,
    how: String,
}

impl Containers {
    pub fn new(_options: &Options) -> Self {
        Self(Arc::new(Inner { endpoint: OnceLock::new() }))
    }

    /// Says where requests reach the emulator, once that is known.
    pub(crate) fn set_endpoint(&self, url: String) {
        self.0.endpoint.get_or_init(|| url);
    }

    pub async fn start(&self, image: &Image, _launch: Launch) -> Result<Container, StartError> {
        Err(StartError::Unrunnable(image.uri.clone()))
    }

    pub async fn stop_all(&self) {}
}

impl Container {
    /// `http://127.0.0.1:PORT`
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// In what it runs, as a person reads it.
    pub fn how(&self) -> &str {
        &self.0.how
    }

    pub fn is_alive(&self) -> bool {
        true
    }

    /// The last lines of what it wrote.
    pub fn log_tail(&self) -> Vec<String> {
        Vec::new()
    }

    /// Asks it to end, then insists.
    pub async fn stop(&self) {}
}
