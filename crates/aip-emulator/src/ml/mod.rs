//! AI Platform v1.

use axum::Router;

use crate::state::{App, Options};

/// Models, versions and operations.
#[derive(Debug, Clone)]
pub struct Ml;

impl Ml {
    pub fn new(_options: &Options) -> Self {
        Self
    }

    /// Stops every worker.
    #[expect(clippy::unused_async, reason = "workers end asynchronously")]
    pub async fn shutdown(&self) {}
}

pub fn router() -> Router<App> {
    Router::new()
}
