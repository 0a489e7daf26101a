//! uv: finding it, running it, and what its errors mean.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use stage::settings;

use super::error::Error;

/// The first that knows all the options that are given to it.
const OLDEST: [u32; 3] = [0, 5, 0];

#[derive(Debug)]
pub(super) struct Uv {
    program: OsString,
}

impl Uv {
    /// The one that $UV names, else the one beside this program (a wheel brings
    /// both along), else the one on PATH.
    pub(super) fn find() -> Result<Self, Error> {
        let program = settings::env("UV").or_else(beside).unwrap_or_else(|| "uv".into());
        let output = match Command::new(&program).arg("--version").stdin(Stdio::null()).output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NoUv { program });
            }
            Err(source) => return Err(Error::CannotRun { program, source }),
        };
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = said.split(' ').nth(1).and_then(version);
        match version.filter(|_| output.status.success()) {
            Some(version) if version >= OLDEST => {
                log::debug!("{said}");
                Ok(Self { program: program.into() })
            }
            Some(_) => Err(Error::OldUv { program, version: said, oldest: dotted(OLDEST) }),
            None => Err(Error::NotUv { program, said }),
        }
    }

    /// What it writes to its stdout. Its own settings hold: indexes, credentials,
    /// certificates, its cache.
    pub(super) fn run<I, S>(&self, directory: &Path, args: I) -> Result<String, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output = Command::new(&self.program)
            .args(args)
            .args(["--color", "never", "--no-progress"])
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| Error::CannotRun {
                program: self.program.display().to_string(),
                source,
            })?;
        let said = without_secrets(&String::from_utf8_lossy(&output.stderr));
        for line in said.lines() {
            log::debug!("uv: {line}");
        }
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::uv(&said))
    }
}

fn beside() -> Option<String> {
    let path = std::env::current_exe().ok()?.with_file_name("uv");
    path.is_file().then(|| path.display().to_string())
}

fn version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split(['.', '+', '-', ' ']).map(str::parse);
    let mut part = || parts.next()?.ok();
    Some([part()?, part()?, part().unwrap_or(0)])
}

fn dotted(version: [u32; 3]) -> String {
    version.map(|part| part.to_string()).join(".")
}

/// The text without users and passwords in its URLs.
fn without_secrets(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        written += before;
        written += "://";
        let end = after.find(['/', ' ', '\n', '`', '\'', '"', '?', '#']).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => &after[at + 1..],
            None => after,
        };
    }
    written + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("0.13.9"), Some([0, 13, 9]));
        assert_eq!(version("0.6.0-alpha"), Some([0, 6, 0]));
        assert_eq!(version("nonsense"), None);
        assert!(version("0.4.30").unwrap() < OLDEST);
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(
            without_secrets("error: https://u:p@h/simple/a and `https://t@h2` or ssh://git@h:x"),
            "error: https://h/simple/a and `https://h2` or ssh://h:x"
        );
        assert_eq!(without_secrets("a@b: no URL"), "a@b: no URL");
    }
}
