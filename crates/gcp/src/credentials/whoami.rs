//! Who asks, and from where that is known.

use std::fmt;
use std::path::Path;

use serde::Serialize;

/// What there is to say of the credentials for a service, without the token.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    /// The service that is asked; others may be asked by somebody else.
    pub service: String,
    /// An account's e-mail address, where it is known.
    pub principal: Option<String>,
    /// Who asks for the principal's tokens: an account, or the audience of a
    /// pool's provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// As credentials files name their type; `none` is nobody.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub from: Origin,
    pub quota_project: Option<String>,
    /// Whether there is one, and until when.
    pub token: Option<Lifetime>,
}

/// Of an access token, only this is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Lifetime {
    pub expires: Option<String>,
}

/// What led to the credentials.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Origin {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A metadata server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<&'static str>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl Origin {
    pub(super) fn file(path: &Path) -> Self {
        Self { file: Some(path.display().to_string()), ..Self::default() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|path| format!("'{path}'"));
        let host = self.host.as_ref().map(|host| format!("the metadata server '{host}'"));
        let command = self.command.map(|command| format!("'{command}'"));
        let named = self.flag.or(self.variable);
        match (file.or(host).or(command), named) {
            (Some(what), Some(name)) => write!(f, "{what} ({name})"),
            (Some(what), None) => f.write_str(&what),
            (None, name) => f.write_str(name.unwrap_or("nowhere")),
        }
    }
}

impl fmt::Display for Whoami {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = self.from.reason {
            return write!(f, "no credentials for '{}': {reason}", self.service);
        }
        write!(f, "credentials for '{}': ", self.service)?;
        if let Some(principal) = &self.principal {
            write!(f, "'{principal}', ")?;
        }
        write!(f, "{} from {}", self.kind, self.from)?;
        if let Some(via) = &self.via {
            write!(f, ", by way of '{via}'")?;
        }
        if let Some(project) = &self.quota_project {
            write!(f, ", quota of project '{project}'")?;
        }
        Ok(())
    }
}
