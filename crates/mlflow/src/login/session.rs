//! A login in use.

use std::sync::{PoisonError, RwLock};

use ureq::RequestBuilder;
use ureq::http::header::AUTHORIZATION;

use super::{Credentials, Options};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Session {
    options: Options,
    /// As they were last asked for.
    credentials: RwLock<Option<Credentials>>,
}

impl Session {
    pub(crate) fn begin(options: Options) -> Result<Self, Error> {
        let unusable = |name: &String| !name.bytes().all(|byte| byte.is_ascii_graphic());
        if options.workspace.as_ref().is_some_and(unusable) {
            return Err(Error::usage(
                "the name of the MLflow workspace holds characters that no workspace has",
                "set MLFLOW_WORKSPACE to the workspace's name",
            ));
        }
        Ok(Self { credentials: RwLock::new(options.login.credentials()?), options })
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        self.credentials.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn dress<B>(
        &self,
        mut request: RequestBuilder<B>,
        credentials: Option<&Credentials>,
    ) -> RequestBuilder<B> {
        if let Some(credentials) = credentials {
            request = request.header(AUTHORIZATION, credentials.header());
        }
        if let Some(workspace) = &self.options.workspace {
            request = request.header("X-MLFLOW-WORKSPACE", workspace);
        }
        for header in &self.options.headers {
            request = request.header(&header.name, header.value());
        }
        request
    }

    /// Whether there is another login than the one that was refused: somebody
    /// beside us may have asked for it already.
    pub(crate) fn renew(&self, refused: Option<&Credentials>) -> bool {
        if !self.options.login.is_renewable() {
            return false;
        }
        let mut current = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref() == refused {
            match self.options.login.credentials() {
                Ok(fresh) => *current = fresh,
                Err(error) => {
                    log::warn!("{error}");
                    return false;
                }
            }
        }
        current.as_ref() != refused
    }
}
