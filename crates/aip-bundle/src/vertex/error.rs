//! Why no image was made.

use std::io;
use std::path::PathBuf;

use deployment::{Explain, Kind};
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("cannot find '{program}', which resolves and installs the requirements")]
    NoUv { program: String },
    #[error("'{program}' is {version}; {oldest} or later is needed")]
    OldUv { program: String, version: String, oldest: String },
    #[error("'{program}' does not say that it is uv: '{said}'")]
    NotUv { program: String, said: String },
    #[error("cannot run '{program}'")]
    CannotRun { program: String, source: io::Error },
    #[error("no wheel for {names} that runs on linux/amd64")]
    NoWheel { names: String, source: Said },
    #[error("the requirements cannot be met")]
    Unmet { source: Said },
    #[error("the requirements cannot be had now")]
    Unreachable { source: Said },
    #[error("uv failed")]
    Uv { source: Said },
    #[error("cannot read '{path}'")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write '{path}'")]
    Write { path: PathBuf, source: io::Error },
    #[error("'{path}' does not install {names}")]
    LockLacks { path: String, names: String },
    #[error("'{path}' has no hash for {name}")]
    LockWithoutHash { path: String, name: String },
    #[error("the server in the image needs Python 3.7 or later, and the model wants {0}")]
    OldPython(String),
    #[error("the base image '{image}' has Python {found}, and the model wants {wanted}")]
    OtherPython { image: String, found: String, wanted: String },
    #[error("the base image '{image}' is for {found}, not for linux/amd64")]
    OtherPlatform { image: String, found: String },
    #[error("'{0}' is no path of a route, such as /predict")]
    Route(String),
    #[error("'{0}' is an image layout on this machine, which Cloud Build cannot build on")]
    LocalBase(String),
}

/// What uv had to say.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Said(String);

impl Error {
    /// From what uv wrote to stderr.
    pub(super) fn uv(said: &str) -> Self {
        // Older ones draw: `×` begins the error, `╰─▶` its cause.
        let trim = |line: &'_ str| line.trim_matches([' ', '│', '╰', '─', '▶']).to_owned();
        let text: Vec<_> = said.lines().map(trim).filter(|line| !line.is_empty()).collect();
        let is_error = |line: &String| line.starts_with("error:") || line.starts_with('×');
        let begin = text.iter().position(is_error).unwrap_or(0);
        let text = text[begin..].join(" ");
        let source = Said(text.trim_start_matches("error: ").trim_start_matches("× ").to_owned());
        let mut names = without_wheel(&text);
        names.dedup();
        if !names.is_empty() {
            return Self::NoWheel { names: names.join(", "), source };
        }
        let network = [
            "Failed to fetch",
            "error sending request",
            "Could not connect",
            "network was disabled",
        ];
        if network.iter().any(|sign| text.contains(sign)) {
            return Self::Unreachable { source };
        }
        if text.contains("No solution found") {
            return Self::Unmet { source };
        }
        Self::Uv { source }
    }
}

/// Packages of which there are only sources, as uv says it.
fn without_wheel(text: &str) -> Vec<String> {
    let after = |sign: &str| -> Vec<String> {
        let found = text.match_indices(sign).filter_map(|(at, _)| {
            let rest = &text[at + sign.len()..];
            rest.split(['`', '\'']).next().map(|name| format!("'{name}'"))
        });
        found.collect()
    };
    let signs = ["Wheels are required for `", "Building source distributions for `"];
    let found: Vec<_> = signs.into_iter().flat_map(after).collect();
    if !found.is_empty() {
        return found;
    }
    let mut words = text.split_whitespace().peekable();
    let mut named = Vec::new();
    let mut before = "";
    while let Some(word) = words.next() {
        if matches!(word, "has" | "have")
            && words.peek() == Some(&"no")
            && text.contains("no usable wheels")
        {
            named.push(format!("'{}'", before.split("==").next().unwrap_or(before)));
        }
        before = word;
    }
    named
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::OldPython(_)
            | Self::OtherPython { .. }
            | Self::OtherPlatform { .. }
            | Self::Route(_)
            | Self::LocalBase(_) => Kind::Usage,
            Self::NoWheel { .. } | Self::Unmet { .. } => Kind::Input,
            Self::Unreachable { .. } => Kind::Unavailable,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoUv { .. } => "install it (pip install uv), or name it in $UV",
            Self::OldUv { .. } => "install a newer one: pip install --upgrade uv",
            Self::NotUv { .. } => "name uv in $UV, or install it: pip install uv",
            Self::NoWheel { .. } => {
                "give --builder cloud-build, which builds them in the image; or name a version \
                 that has a wheel: --requirement NAME==VERSION"
            }
            Self::Unmet { .. } => {
                "replace a requirement with --requirement NAME==VERSION; private indexes are \
                 uv's to know: UV_INDEX or uv.toml"
            }
            Self::Unreachable { .. } => {
                "look at the network and at uv's index settings; a lock of earlier needs no index: \
                 --lock FILE"
            }
            Self::LockLacks { .. } => "resolve them anew: leave out --lock",
            Self::LockWithoutHash { .. } => "make it with uv pip compile --generate-hashes",
            Self::OldPython(_) => "give --python-version, or --image with a server of your own",
            Self::OtherPython { .. } => {
                "give another --base-image; {python} in its name stands for the model's version"
            }
            Self::OtherPlatform { .. } => "give a --base-image for linux/amd64",
            Self::LocalBase(_) => "give a --base-image in a registry",
            _ => return None,
        };
        Some(hint.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uv_says_of_missing_wheels() {
        let said = "Resolving\nerror: No solution found when resolving dependencies\n  cause: Because \
            docopt==0.6.2 has no usable wheels and you require docopt==0.6.2, we can conclude that \
            your requirements are unsatisfiable.\n\nhint: Wheels are required for `docopt` because \
            building from source is disabled for all packages (i.e., with `--no-build`)\n";
        let error = Error::uv(said);
        assert_eq!(error.to_string(), "no wheel for 'docopt' that runs on linux/amd64");
        assert_eq!(error.kind(), Kind::Input);
        let old = "  × No solution found when resolving dependencies:\n  ╰─▶ Because docopt==0.6.2 has \
            no usable wheels and you require docopt==0.6.2, we can conclude that your requirements\n";
        assert!(Error::uv(old).to_string().contains("'docopt'"));
    }

    #[test]
    fn what_else_can_be_wrong() {
        let unmet = "error: No solution found when resolving dependencies\n  cause: Because x was not \
            found in the package registry";
        assert!(matches!(Error::uv(unmet), Error::Unmet { .. }));
        let down =
            "error: Failed to fetch: `https://pypi.org/simple/x/`\n  cause: error sending request";
        assert!(matches!(Error::uv(down), Error::Unreachable { .. }));
        let other = Error::uv("warning: w\nerror: a\n  cause: b");
        assert_eq!(std::error::Error::source(&other).unwrap().to_string(), "a cause: b");
    }
}
