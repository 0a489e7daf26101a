//! What to do about a server's refusal.

use transport::HttpError;

use crate::login::Options;
use crate::server::Server;

/// MLflow's word for what a server was started without, with a status of 500.
pub(crate) const DISABLED: &str = "FEATURE_DISABLED";

/// `host` is what the requests call the server.
pub(crate) fn on(
    error: &HttpError,
    server: &Server,
    host: &str,
    options: &Options,
) -> Option<String> {
    let anonymous = options.is_anonymous();
    match (error, error.status()) {
        (HttpError::NoAnswer { message, .. }, _) => Some(on_silence(message, server)),
        (_, Some(401)) if anonymous => Some(
            "the server wants a login: set MLFLOW_TRACKING_USERNAME and \
             MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; or give --header or \
             --token-command"
                .into(),
        ),
        (_, Some(401)) => Some(
            "the server does not accept this login: look at MLFLOW_TRACKING_USERNAME and \
             MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, ~/.mlflow/credentials, \
             ~/.netrc, or the user in the tracking URI"
                .into(),
        ),
        (_, Some(403)) if error.message().contains("Invalid Host header") => Some(format!(
            "the server does not know itself by this name: start it with \
                 --allowed-hosts '{host}', or MLFLOW_SERVER_ALLOWED_HOSTS='{host}'"
        )),
        (_, Some(403)) if anonymous => Some(
            "it may want a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, \
                  or MLFLOW_TRACKING_TOKEN"
                .into(),
        ),
        (_, Some(403)) => Some(
            "this login may not read it: its owner can grant READ on the experiment, and on the \
             registered model"
                .into(),
        ),
        (_, Some(500)) if error.code() == Some(DISABLED) && options.workspace.is_some() => {
            Some("unset MLFLOW_WORKSPACE, or start the server with --enable-workspaces".into())
        }
        (_, Some(300..=399)) => Some("give the address it redirects to as --tracking-uri".into()),
        (HttpError::Unreadable { .. }, _) | (_, Some(404)) if error.code().is_none() => {
            Some(format!("is '{server}' an MLflow tracking server?"))
        }
        _ => None,
    }
}

fn on_silence(message: &str, server: &Server) -> String {
    if message.contains("invalid peer certificate") {
        return "name the authority that signed the server's certificate by \
                MLFLOW_TRACKING_SERVER_CERT_PATH, a file in PEM"
            .into();
    }
    if message.contains("CertificateRequired") || message.contains("HandshakeFailure") {
        return "the server may want a certificate of yours: MLFLOW_TRACKING_CLIENT_CERT_PATH \
                names a file in PEM that holds it and its key"
            .into();
    }
    if message.contains("InvalidContentType") {
        return format!("does '{server}' speak plain HTTP? then write it with http://");
    }
    if message.contains("proxy") {
        return "look at HTTP_PROXY and HTTPS_PROXY: the proxy must allow CONNECT to the server's \
                port; NO_PROXY excepts hosts"
            .into();
    }
    format!(
        "is an MLflow server running at '{server}'? --tracking-uri, spec.trackingUri, \
         tracking_uri or MLFLOW_TRACKING_URI says where it is"
    )
}
