//! The program of a container, looked for in its root.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::scoped::resolve;
use super::spec::Env;

/// What a system looks through when `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The file in the root that a container's first word means.
pub(super) fn find(root: &Path, program: &str, env: &Env) -> Option<PathBuf> {
    if program.contains('/') {
        return executable(root, Path::new(program));
    }
    let path = env.get("PATH").unwrap_or(DEFAULT_PATH);
    path.split(':').find_map(|dir| executable(root, &Path::new(dir).join(program)))
}

fn executable(root: &Path, path: &Path) -> Option<PathBuf> {
    let found = resolve(root, path).ok()?;
    let file = fs::metadata(&found).ok()?;
    (file.is_file() && file.permissions().mode() & 0o111 != 0).then_some(found)
}

/// Whether a program's name is an interpreter's: `python3`,
/// `/usr/local/bin/python3.11`.
pub(super) fn is_python(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    let version = name.strip_prefix("python");
    version.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// Whether a file is a script that a Python runs.
pub(super) fn is_python_script(file: &Path) -> bool {
    let Ok(file) = fs::File::open(file) else { return false };
    let mut line = Vec::new();
    let mut head = BufReader::new(std::io::Read::take(file, 256));
    let read = head.read_until(b'\n', &mut line);
    read.is_ok() && line.starts_with(b"#!") && memchr::memmem::find(&line, b"python").is_some()
}

/// The minor version of the Python that an image is made for ("3.11"): as its
/// environment says, its command, or what lies in it.
pub(super) fn python_version(root: &Path, program: &str, env: &Env) -> Option<String> {
    let said = env.get("PYTHON_VERSION").and_then(minor);
    said.or_else(|| minor(program.rsplit("python").next()?)).or_else(|| {
        let below = ["usr/local/lib", "usr/lib"].iter().filter_map(|dir| {
            let dir = resolve(root, Path::new(dir)).ok()?;
            fs::read_dir(dir).ok()
        });
        let mut names = below
            .flatten()
            .flatten()
            .filter_map(|entry| minor(entry.file_name().to_str()?.strip_prefix("python")?));
        names.next()
    })
}

/// The first two numbers.
fn minor(version: &str) -> Option<String> {
    let mut numbers = version.split('.').map(str::parse::<u8>);
    let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        let mut env = Env::default();
        for (name, value) in variables {
            env.set(name, *value);
        }
        env
    }

    #[test]
    fn pythons_by_name() {
        for python in ["python", "python3", "/usr/local/bin/python3.11"] {
            assert!(is_python(python), "{python}");
        }
        for other in ["sh", "pythonic", "/python3/run", "gunicorn", ""] {
            assert!(!is_python(other), "{other}");
        }
    }

    #[test]
    fn versions() {
        let dir = tempfile::tempdir().unwrap();
        let version = |program: &str, variables: &[(&str, &str)]| {
            python_version(dir.path(), program, &env(variables))
        };
        assert_eq!(version("python3", &[]), None);
        assert_eq!(version("/usr/bin/python3.9", &[]).unwrap(), "3.9");
        assert_eq!(version("python3", &[("PYTHON_VERSION", "3.11.7")]).unwrap(), "3.11");
        std::fs::create_dir_all(dir.path().join("usr/local/lib/python3.12")).unwrap();
        assert_eq!(version("python3", &[]).unwrap(), "3.12");
    }

    #[test]
    fn programs_are_found_as_the_container_would() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("usr/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink("/usr/bin", dir.path().join("bin")).unwrap();
        std::fs::write(bin.join("serve"), "#!/usr/local/bin/python3\n").unwrap();
        let find = |program: &str, path: &str| find(dir.path(), program, &env(&[("PATH", path)]));
        assert_eq!(find("serve", "/bin"), None);
        std::fs::set_permissions(bin.join("serve"), fs::Permissions::from_mode(0o755)).unwrap();
        for (program, path) in [("serve", "/sbin:/bin"), ("/bin/serve", ""), ("/usr/bin/serve", "")]
        {
            assert_eq!(find(program, path), Some(bin.join("serve")), "{program}");
        }
        assert_eq!(find("sh", "/bin"), None);
        assert!(is_python_script(&bin.join("serve")) && !is_python_script(&bin));
    }
}
