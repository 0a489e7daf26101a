//! Who asks, and whom to trust: what MLflow's own client takes from its
//! environment, and what it takes plugins for.

mod command;
mod credentials;
mod environment;
mod header;
mod ini;
mod netrc;
mod patience;
mod session;
mod tls;

use std::path::{Path, PathBuf};

pub(crate) use credentials::{Credentials, Secret};
pub use environment::Flags;
pub use header::Header;
pub use patience::Patience;
pub(crate) use session::Session;
pub use tls::{Tls, Trust};

use crate::error::Error;
use crate::server::Server;

/// Where the header `Authorization` comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Login {
    #[default]
    None,
    Fixed(Credentials),
    /// A token that somebody else keeps fresh in a file, as Kubernetes does.
    File(PathBuf),
    /// A command that prints a token.
    Command(String),
}

impl Login {
    pub(crate) fn is_some(&self) -> bool {
        *self != Self::None
    }

    /// Whether asking again may bring something else.
    pub(crate) fn is_renewable(&self) -> bool {
        matches!(self, Self::File(_) | Self::Command(_))
    }

    pub(crate) fn credentials(&self) -> Result<Option<Credentials>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(credentials) => Ok(Some(credentials.clone())),
            Self::File(path) => from_file(path).map(Some),
            Self::Command(command) => command::token(command).map(Some),
        }
    }
}

fn from_file(path: &Path) -> Result<Credentials, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::file("read", path, error))?;
    Credentials::token(&text).ok_or_else(|| {
        Error::usage(
            format!("'{}' holds characters that no token has", path.display()),
            "the file must hold a token alone, on one line",
        )
    })
}

/// How to speak to a tracking server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub login: Login,
    /// More headers, which may be secrets as well.
    pub headers: Vec<Header>,
    /// MLflow 3's workspace.
    pub workspace: Option<String>,
    pub tls: Tls,
    pub patience: Patience,
    /// Send the credentials in clear text over a network.
    pub allow_http_credentials: bool,
}

impl Options {
    /// Whether a request tells who asks.
    pub(crate) fn is_anonymous(&self) -> bool {
        !self.login.is_some() && self.headers.is_empty()
    }

    /// With the user in the server's address, where nobody else is.
    #[must_use]
    pub(crate) fn or_by_uri(mut self, server: &Server) -> Self {
        if let Some(userinfo) = server.userinfo().filter(|_| !self.names_somebody()) {
            self.login = Login::Fixed(userinfo.clone());
        }
        self
    }

    fn names_somebody(&self) -> bool {
        self.login.is_some() || self.headers.iter().any(Header::is_authorization)
    }

    /// For a server that is not the one that all this was given for.
    #[must_use]
    pub(crate) fn for_strangers(&self) -> Self {
        Self { login: Login::None, headers: Vec::new(), tls: self.tls.anonymous(), ..self.clone() }
    }
}
