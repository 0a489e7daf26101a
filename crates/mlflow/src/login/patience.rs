//! How long a server is waited for, and how often it is asked again.

use std::time::Duration;

use transport::{Policy, silence};

use crate::error::Error;

/// What MLflow's variables say, where ours, which hold for every service that
/// is spoken to, say nothing.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    retries: Option<u32>,
    silence: Option<Duration>,
}

impl Patience {
    pub(super) fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let number = |ours: &str, mlflows: &str, least: u32, what: &str| match env(mlflows) {
            Some(text) if env(ours).is_none() => match text.trim().parse() {
                Ok(number) if number >= least => Ok(Some(number)),
                _ => Err(Error::usage(
                    format!("{mlflows} is '{}', which is not {what}", text.escape_debug()),
                    format!("unset it, or set it to a whole number from {least} on"),
                )),
            },
            _ => Ok(None),
        };
        let (retries, seconds) = ("a number of retries", "a number of seconds");
        Ok(Self {
            retries: number("AIP_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_MAX_RETRIES", 0, retries)?,
            silence: number("AIP_HTTP_TIMEOUT", "MLFLOW_HTTP_REQUEST_TIMEOUT", 1, seconds)?
                .map(|seconds| Duration::from_secs(seconds.into())),
        })
    }

    /// How long the server may say nothing.
    pub(crate) fn silence(&self) -> Duration {
        self.silence.unwrap_or_else(silence)
    }

    pub(crate) fn policy(&self) -> Policy {
        let policy = Policy::from_env();
        Policy { retries: self.retries.unwrap_or(policy.retries), ..policy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: &str = "MLFLOW_HTTP_REQUEST_MAX_RETRIES";
    const TIMEOUT: &str = "MLFLOW_HTTP_REQUEST_TIMEOUT";

    fn from(env: &[(&str, &str)]) -> Result<Patience, Error> {
        Patience::from_env(|name| env.iter().find(|(key, _)| *key == name).map(|it| it.1.into()))
    }

    #[test]
    fn mlflows_variables_count_where_ours_do_not() {
        let patience = from(&[(RETRIES, "9"), (TIMEOUT, " 7 ")]).unwrap();
        assert_eq!((patience.policy().retries, patience.silence().as_secs()), (9, 7));
        let ours = [("AIP_MAX_RETRIES", "1"), ("AIP_HTTP_TIMEOUT", "2")];
        let patience = from(&[&ours[..], &[(RETRIES, "9"), (TIMEOUT, "seven")]].concat()).unwrap();
        assert!(patience.retries.is_none() && patience.silence.is_none());
    }

    #[test]
    fn what_is_no_number_is_refused_by_its_name() {
        for (name, text) in [(RETRIES, "many"), (RETRIES, "-1"), (TIMEOUT, "0"), (TIMEOUT, "1.5")] {
            let error = from(&[(name, text)]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{name} is '{text}', ")), "{error}");
        }
    }
}
