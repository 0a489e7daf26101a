//! The commands of RUN that are carried out here: those by which a bundle
//! installs its requirements and its wheel.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// `python3 -m pip install --require-hashes --target DIR -r FILE`
    Install { requirements: String, target: String, with_dependencies: bool },
    /// `python3 -m zipfile -e FILE DIR`
    Unzip { file: String, into: String },
    /// `rm FILE`
    Remove { file: String },
}

/// What pip is told that changes nothing of what is installed.
const IGNORED: &[&str] = &[
    "--disable-pip-version-check",
    "--no-cache-dir",
    "--no-compile",
    "--no-input",
    "--quiet",
    "--root-user-action=ignore",
];

/// What would have a meaning to a shell.
const SHELL: &[char] = &[
    '$', '`', '"', '\'', '\\', '|', ';', '&', '<', '>', '(', ')', '{', '}', '*', '?', '[', ']',
    '~', '#', '!',
];

/// `COMMAND && COMMAND`
pub(super) fn parse(line: &str) -> Result<Vec<Command>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let Some(word) = words.iter().find(|word| **word != "&&" && word.contains(SHELL)) {
        return Err(format!("there is no shell for '{word}'"));
    }
    words.split(|word| *word == "&&").map(command).collect()
}

fn command(words: &[&str]) -> Result<Command, String> {
    match words {
        ["python3", "-m", "pip", "install", options @ ..] => install(options),
        ["python3", "-m", "zipfile", "-e", file, into] => {
            Ok(Command::Unzip { file: (*file).to_owned(), into: (*into).to_owned() })
        }
        ["rm", file] if !file.starts_with('-') => Ok(Command::Remove { file: (*file).to_owned() }),
        _ => Err(format!("'{}' is none of the commands that are carried out", words.join(" "))),
    }
}

fn install(options: &[&str]) -> Result<Command, String> {
    let (mut requirements, mut target) = (None, None);
    let (mut has_hashes, mut with_dependencies) = (false, true);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "--require-hashes" => has_hashes = true,
            "--no-deps" => with_dependencies = false,
            "--target" => target = options.next(),
            "-r" => requirements = options.next(),
            ignored if IGNORED.contains(&ignored) => {}
            other => return Err(format!("pip's '{other}' is not carried out")),
        }
    }
    match (requirements, target) {
        (Some(requirements), Some(target)) if has_hashes => Ok(Command::Install {
            requirements: (*requirements).to_owned(),
            target: (*target).to_owned(),
            with_dependencies,
        }),
        _ => Err("pip is run with --require-hashes, --target and -r only".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bundle_runs() {
        let pip = "python3 -m pip install --no-cache-dir --no-compile --no-deps --require-hashes \
                   --target /opt/site -r /opt/requirements.lock";
        let install = Command::Install {
            requirements: "/opt/requirements.lock".to_owned(),
            target: "/opt/site".to_owned(),
            with_dependencies: false,
        };
        assert_eq!(parse(pip).unwrap(), [install]);
        let commands = parse("python3 -m zipfile -e /tmp/a.whl /opt/app && rm /tmp/a.whl").unwrap();
        let file = || "/tmp/a.whl".to_owned();
        let unzip = Command::Unzip { file: file(), into: "/opt/app".to_owned() };
        assert_eq!(commands, [unzip, Command::Remove { file: file() }]);
    }

    #[test]
    fn nothing_else_is_run() {
        for line in [
            "",
            "apt-get install -y gcc",
            "rm -rf /",
            "rm a && ",
            "rm a; rm b",
            "rm $(cat b)",
            "python3 -m pip install numpy",
            "python3 -m pip install --target /a -r /b",
            "python3 -m pip install --require-hashes --target /a -r /b --pre",
            "python3 -m pip install --require-hashes --target",
            "python3 -c print()",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
