//! A token from a command, for every login that has a program of its own.

use std::process::{Command, Stdio};

use super::Credentials;
use crate::error::Error;

/// Run by the shell, as git runs its credential helpers. What it says on
/// stderr is shown; what it prints is not, whatever is wrong with it.
pub(super) fn token(command: &str) -> Result<Credentials, Error> {
    log::debug!("running the token command");
    let hint = "it must print a token alone, on one line";
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::file("run", "/bin/sh".as_ref(), error))?;
    if !output.status.success() {
        return Err(Error::Broken {
            message: format!("the token command failed: {}", output.status),
            hint: Some(hint.into()),
        });
    }
    std::str::from_utf8(&output.stdout).ok().and_then(Credentials::token).ok_or_else(|| {
        Error::Broken {
            message: "the token command did not print a token".into(),
            hint: Some(hint.into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_alone_is_taken() {
        assert_eq!(token("echo abc; echo why >&2").unwrap(), Credentials::token("abc").unwrap());
        for command in ["true", "echo a b", "exit 3", "printf 'abc\\nsecret'"] {
            let error = token(command).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
