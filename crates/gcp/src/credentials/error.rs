use deployment::{Explain, Kind};
use thiserror::Error;

/// Why there is no access token. None of these says anything of its value.
#[derive(Debug, Error)]
pub enum CredentialsError {
    #[error("cannot read the credentials in '{path}'")]
    Unreadable { path: String, source: std::io::Error },
    #[error("'{path}' does not hold an access token")]
    NotAToken { path: String },
    #[error("'{path}' is not a credentials file")]
    NotCredentials { path: String },
    #[error("'{path}' holds credentials of type '{kind}', which this build cannot use")]
    Unsupported { path: String, kind: String },
    #[error("cannot get an access token from {from}")]
    NoToken { from: String, source: gcp_auth::Error },
    #[error("no credentials were found")]
    NotFound,
    #[error("will not send credentials in clear text to '{url}'")]
    ClearText { url: String },
}

impl Explain for CredentialsError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoToken {
                source: gcp_auth::Error::Http(..) | gcp_auth::Error::Other(..),
                ..
            } => Kind::Unavailable,
            Self::Unreadable { .. } => Kind::Failed,
            _ => Kind::Refused,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound => {
                "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, \
                 run 'gcloud auth login', or give --access-token-file"
                    .into()
            }
            Self::Unsupported { .. } => "use a service account's key, or give a token: \
                 --access-token-file <(gcloud auth print-access-token)"
                .into(),
            Self::ClearText { .. } => "use https, or a service on this machine".into(),
            Self::NoToken { from, .. } if from == "gcloud" => "run 'gcloud auth login'".into(),
            Self::NoToken { .. } => {
                "look whether the key is still valid and its token_uri can be reached".into()
            }
            Self::NotAToken { .. } => {
                "write one there: gcloud auth print-access-token > FILE".into()
            }
            Self::Unreadable { .. } | Self::NotCredentials { .. } => return None,
        })
    }
}
