use deployment::{Explain, Kind};
use thiserror::Error;
use transport::HttpError;

use super::executable::ExecutableError;
use super::subject::SubjectError;

const UNAVAILABLE: &str =
    "look at the network and at the addresses in the credentials, then run it again";

/// Why there is no access token. None of these says anything of its value, nor
/// of the secret that it was to be had for.
#[derive(Debug, Error)]
pub enum CredentialsError {
    #[error("cannot read the credentials in '{path}'")]
    Unreadable { path: String, source: std::io::Error },
    #[error("'{path}' does not hold an access token")]
    NotAToken { path: String },
    #[error("'{path}' is not a credentials file")]
    NotCredentials { path: String },
    #[error("'{path}' is of type '{kind}' but has no usable '{field}'")]
    Incomplete { path: String, kind: String, field: String },
    #[error("'{path}' holds {what}, which this build cannot use")]
    Unsupported { path: String, what: String, instead: String },
    #[error("cannot sign with the private key in '{path}': {why}")]
    Key { path: String, why: &'static str },
    #[error("cannot get the token to be exchanged for {from}")]
    Subject { from: String, source: Box<SubjectError> },
    #[error("cannot get an access token from {from}")]
    NoToken { from: String, source: Box<HttpError>, hint: String },
    #[error("cannot get an access token from gcloud: {said}")]
    Gcloud { said: String },
    #[error("no credentials were found")]
    NotFound,
    #[error("will not send credentials in clear text to '{url}'")]
    ClearText { url: String },
}

impl CredentialsError {
    pub(super) fn no_token(from: &str, source: HttpError, hint: String) -> Self {
        Self::NoToken { from: from.to_owned(), source: Box::new(source), hint }
    }
}

impl Explain for CredentialsError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoToken { source, .. } => source.kind(),
            Self::Subject { source, .. } => match &**source {
                SubjectError::Http(error) => error.kind(),
                SubjectError::Executable(ExecutableError::TimedOut { .. }) => Kind::Unavailable,
                SubjectError::Executable(
                    ExecutableError::NotAllowed { .. } | ExecutableError::Unsuccessful { .. },
                ) => Kind::Refused,
                _ => Kind::Failed,
            },
            Self::Unreadable { .. } => Kind::Failed,
            _ => Kind::Refused,
        }
    }

    /// As a service answers those who are nobody.
    fn http_status(&self) -> Option<u16> {
        (self.kind() == Kind::Refused).then_some(401)
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound => "set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, run \
                               'gcloud auth application-default login', or give \
                               --access-token-file"
                .into(),
            Self::Unsupported { instead, .. } => instead.clone(),
            Self::ClearText { .. } => "use https, or a service on this machine".into(),
            Self::Gcloud { .. } => "run 'gcloud auth login'".into(),
            Self::NoToken { source, hint, .. } => match source.kind() {
                Kind::Refused => hint.clone(),
                _ => UNAVAILABLE.into(),
            },
            Self::Subject { source, .. } => source.hint().into(),
            Self::Key { .. } => "make a new key: gcloud iam service-accounts keys create".into(),
            Self::NotAToken { .. } => {
                "write one there: gcloud auth print-access-token > FILE".into()
            }
            Self::Incomplete { .. } => "make the file again as Google's documentation of its \
                                        type says"
                .into(),
            Self::Unreadable { .. } | Self::NotCredentials { .. } => return None,
        })
    }
}

impl SubjectError {
    fn hint(&self) -> &'static str {
        match self {
            Self::Executable(ExecutableError::NotAllowed { .. }) => {
                "set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 if you trust the file"
            }
            Self::Executable(_) => "run the program by itself to see what it says",
            Self::Http(error) if error.kind() != Kind::Refused => UNAVAILABLE,
            Self::Http(_) => {
                "look whether the job may ask for identity tokens (on GitHub: 'permissions: \
                 id-token: write') and whether it still runs"
            }
            Self::File { .. } | Self::Empty { .. } | Self::NoField { .. } => {
                "look at credential_source in the credentials file"
            }
        }
    }
}
