//! A container as a plain process: its image's code on this machine's Python.
//! What the base image brings is not used, and so not proved.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::StartError;
use super::program::{find, is_python, is_python_script, python_version};
use super::scoped::resolve;
use super::spec::{Env, Spec};
use crate::runtime::{Environments, Interpreters};

/// What leads to places of this machine, or steers its loader.
const NOT_TAKEN: &[&str] =
    &["LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"];

/// Every root has these, and what is in them is not the image's.
const MACHINES: &[&str] = &["dev", "proc", "run", "sys", "tmp"];

/// The Pythons of this machine, and where they keep what they compile.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) interpreters: Interpreters,
    pub(super) environments: Environments,
    pub(super) bytecode: PathBuf,
}

/// What to start.
pub(super) struct Process {
    pub(super) words: Vec<String>,
    pub(super) env: Env,
    pub(super) working_dir: PathBuf,
    pub(super) how: String,
}

impl Host {
    pub(super) async fn prepare(
        &self,
        spec: Spec,
        root: &Path,
        scratch: &Path,
    ) -> Result<Process, StartError> {
        let script = if is_python(&spec.program) {
            None
        } else {
            let found = find(root, &spec.program, &spec.env).filter(|file| is_python_script(file));
            Some(found.ok_or_else(|| StartError::NoPython(spec.program.clone()))?)
        };
        let minor = python_version(root, &spec.program, &spec.env)
            .ok_or_else(|| StartError::UnknownPython(spec.program.clone()))?;
        let python = self.interpreters.find(&minor).await;
        let python = python.ok_or_else(|| StartError::MissingPython(minor.clone()))?;
        // Nothing that was installed on this machine may be found instead of
        // what the image lacks
        let bare = self.environments.ensure(&python, &[]).await;
        let bare = bare.map_err(|err| StartError::Environment(minor, Box::new(err)))?;
        self.share_bytecode(root)?;
        let mut words = vec![bare.to_string_lossy().into_owned()];
        words.extend(script.map(|file| file.to_string_lossy().into_owned()));
        words.extend(spec.args.iter().map(|word| moved_argument(root, word)));
        let env = self.environment(spec.env, root, scratch, &bare);
        let working_dir = moved(root, &spec.working_dir).map_or(scratch.to_owned(), PathBuf::from);
        let how =
            format!("as a process on {}; the base image is not proved", python.path.display());
        Ok(Process { words, env, working_dir, how })
    }

    fn environment(&self, mut env: Env, root: &Path, scratch: &Path, python: &Path) -> Env {
        env.keep(|name| !NOT_TAKEN.contains(&name));
        // Routes look like paths, and PATH leads to this machine's programs
        env.change(|name, value| match name {
            "PATH" => value.to_owned(),
            _ if name.starts_with("AIP_") => value.to_owned(),
            _ => moved_list(root, value),
        });
        let bin = python.parent().unwrap_or(Path::new("/")).display();
        let path = env.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
        env.set("PATH", format!("{bin}:{path}"));
        let paths: Vec<String> = env
            .get("PYTHONPATH")
            .map(str::to_owned)
            .into_iter()
            .chain(site_packages(root).into_iter().map(|dir| dir.to_string_lossy().into_owned()))
            .collect();
        if !paths.is_empty() {
            env.set("PYTHONPATH", paths.join(":"));
        }
        env.set("PYTHONPYCACHEPREFIX", self.bytecode.to_string_lossy());
        env.set("HOME", scratch.to_string_lossy());
        env.set("TMPDIR", scratch.to_string_lossy());
        env
    }

    /// What Python compiles of an image's files is found again under whatever
    /// root they are: a new model does not make its libraries start slowly.
    fn share_bytecode(&self, root: &Path) -> io::Result<()> {
        let shared = self.bytecode.join("images");
        fs::create_dir_all(&shared)?;
        let place = self.bytecode.join(root.strip_prefix("/").unwrap_or(root));
        if place.symlink_metadata().is_ok() {
            return Ok(());
        }
        fs::create_dir_all(place.parent().unwrap_or(&place))?;
        match std::os::unix::fs::symlink(shared, place) {
            Err(err) if err.kind() != io::ErrorKind::AlreadyExists => Err(err),
            _ => Ok(()),
        }
    }
}

/// Where an image's own Python would find its packages.
fn site_packages(root: &Path) -> Vec<PathBuf> {
    let below = |dir: &str| resolve(root, Path::new(dir)).ok();
    let versions = ["usr/local/lib", "usr/lib"].into_iter().filter_map(below);
    let versions = versions.filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
    let packages = versions.flat_map(|entry| {
        let is_python = entry.file_name().to_string_lossy().starts_with("python3");
        let named = ["site-packages", "dist-packages"].map(|name| entry.path().join(name));
        named.into_iter().filter(move |dir| is_python && dir.is_dir())
    });
    packages.collect()
}

/// A path of the image, as this machine has it.
fn moved(root: &Path, path: &str) -> Option<String> {
    let mut names = Path::new(path).components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let first = names.next().filter(|_| path.starts_with('/'))?;
    if MACHINES.contains(&first) {
        return None;
    }
    let found = resolve(root, Path::new(path)).ok()?;
    found.exists().then(|| found.to_string_lossy().into_owned())
}

/// `/PATH` or `--option=/PATH`
fn moved_argument(root: &Path, word: &str) -> String {
    if let Some(path) = moved(root, word) {
        return path;
    }
    match word.split_once('=') {
        Some((option, value)) if option.starts_with('-') => {
            moved(root, value).map_or(word.to_owned(), |path| format!("{option}={path}"))
        }
        _ => word.to_owned(),
    }
}

/// `/PATH:/PATH`
fn moved_list(root: &Path, value: &str) -> String {
    let parts = value.split(':').map(|part| moved(root, part).unwrap_or(part.to_owned()));
    parts.collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_the_image_moves() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in ["opt/app", "opt/model", "tmp", "usr/lib/python3.11/site-packages"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let at = |path: &str| root.join(path).to_string_lossy().into_owned();
        assert_eq!(moved(root, "/opt/app"), Some(at("opt/app")));
        for stays in ["/opt/other", "/", "//", "opt/app", "/tmp", "/etc/passwd", ""] {
            assert_eq!(moved(root, stays), None, "{stays}");
        }
        let option = format!("--model={}", at("opt/model"));
        assert_eq!(moved_argument(root, "--model=/opt/model"), option);
        assert_eq!(moved_argument(root, "--model=/opt/none"), "--model=/opt/none");
        assert_eq!(moved_argument(root, "a=/opt/model"), "a=/opt/model");
        let list = format!("{}:/opt/none:{}", at("opt/app"), at("opt/model"));
        assert_eq!(moved_list(root, "/opt/app:/opt/none:/opt/model"), list);
        assert_eq!(moved_list(root, "http://127.0.0.1:80"), "http://127.0.0.1:80");
        assert_eq!(site_packages(root), [root.join("usr/lib/python3.11/site-packages")]);
    }
}
