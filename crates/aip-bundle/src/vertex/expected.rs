//! What the model answers to its own input example, asked of the very predictor
//! with the very dependencies of the image, on this machine.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use checksum::Digest;
use deployment::{Example, Severity};
use serde_json::{Value, json};
use stage::{Failure, Process};

use super::cache::Cache;
use super::dependencies::Dependencies;
use super::error::Error;
use super::example::Request;
use super::python;
use crate::limits::Remark;
use crate::model::Model;
use crate::wheel::Wheel;

pub(crate) const EXPECTED: &str = "expected.json";

/// Where the cache keeps what was answered.
const ANSWERS: &str = "answers";

const SCRIPT: &str = include_str!("expected.py");

/// Large models take their time to load; nobody waits for more.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) model: &'a Model<'a>,
    pub(super) example: Option<&'a Example>,
    pub(super) wheel: &'a Wheel<'a>,
    pub(super) prediction_class: &'a str,
    pub(super) dependencies: &'a Dependencies<'a>,
    /// Names of the environment variables that the model wants.
    pub(super) variables: &'a [String],
}

impl Question<'_> {
    /// The file's content, or why there is none.
    pub(super) fn ask(
        &self,
        process: &Process,
        cache: &Cache,
    ) -> Result<Result<String, Remark>, Failure> {
        let Some(example) = self.example else {
            return Ok(Err(unasked("the model has no input example")
                .hint("log the model with an input_example")));
        };
        if self.model.is_here_for("its example").is_err() {
            return Ok(Err(unasked("the model stays in its bucket")
                .hint("mlf-fetch --download brings it here first")));
        }
        let Some(request) = Request::of(self.model, example)? else {
            return Ok(Err(unasked("the input example is not in the form of instances")));
        };
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Ok(Err(unasked("the image's packages do not run on this machine")));
        }
        let minor = self.wheel.python_version;
        let Some(python) = python::find(minor) else {
            let message = format!("there is no Python {minor} on this machine");
            return Ok(Err(
                unasked(&message).hint(format!("install it: uv python install {minor}"))
            ));
        };
        let key = self.key(&request);
        if let Some(answer) = cache.note::<Value>(ANSWERS, &key) {
            log::debug!("what the model answers to its input example is known");
            return Ok(Ok(answer.to_string() + "\n"));
        }
        let site = self.dependencies.site(process, cache)?;
        let _progress = process.waiting("asking the model for its input example's predictions");
        let scratch = cache.scratch()?;
        let root = scratch.path();
        self.lay_out(root, &site, &request)
            .map_err(|source| Error::Write { path: root.into(), source })?;
        let model = fs::canonicalize(&self.model.directory)
            .map_err(|source| Error::Read { path: self.model.directory.clone(), source })?;
        let mut command = Command::new(&python);
        // Nothing of this machine's Python but its standard library.
        command.args(["-I", "-S", "-c", SCRIPT]).arg(root).arg(&model).arg(self.prediction_class);
        command.arg(root.join("request.json")).arg(root.join("answer.json"));
        self.surround(&mut command, root);
        let status = run(command, root)
            .map_err(|source| Error::CannotRun { program: python.display().to_string(), source })?;
        let said = fs::read_to_string(root.join("said")).unwrap_or_default();
        said.lines().for_each(|line| log::debug!("predictor: {line}"));
        let answer = fs::read(root.join("answer.json")).ok();
        let answer = answer.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        match (status, answer) {
            (Some(status), Some(mut answer)) if status.success() => {
                let mut json = request.to_json();
                json.insert("predictions".into(), answer["predictions"].take());
                let answer = Value::Object(json);
                cache.remember(ANSWERS, &key, &answer)?;
                Ok(Ok(answer.to_string() + "\n"))
            }
            (None, _) => Ok(Err(unasked("the model did not answer in five minutes"))),
            (Some(_), _) => Ok(Err(failed(&said))),
        }
    }

    /// All that the answer follows from.
    fn key(&self, request: &Request) -> String {
        let files = self.model.files.iter();
        let files: Vec<_> = files.map(|file| format!("{} {}", file.sha256, file.path)).collect();
        let all = json!([
            self.dependencies.key(),
            self.prediction_class,
            self.wheel.modules(),
            files,
            request.to_json()
        ]);
        Digest::of_bytes(all.to_string().as_bytes()).sha256
    }

    /// A model is code, and this machine's credentials are none of its business:
    /// it sees the variables it asks for, and a home of its own.
    fn surround(&self, command: &mut Command, root: &Path) {
        let kept = ["PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "TZ"];
        let names = kept.into_iter().chain(self.variables.iter().map(String::as_str));
        let values: Vec<_> =
            names.filter_map(|name| Some((name, std::env::var_os(name)?))).collect();
        command.env_clear().envs(values).env("HOME", root);
    }

    /// As the image has it: ROOT/{app,site}. MLflow follows no link to a model.
    fn lay_out(&self, root: &Path, site: &Path, request: &Request) -> std::io::Result<()> {
        for (path, content) in self.wheel.modules() {
            let path = root.join("app").join(path);
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            fs::write(path, content)?;
        }
        symlink(site, root.join("site"))?;
        fs::write(root.join("request.json"), Value::Object(request.to_json()).to_string())
    }
}

/// Its status; nothing where it took too long.
fn run(mut command: Command, root: &Path) -> std::io::Result<Option<ExitStatus>> {
    let said = File::create(root.join("said"))?;
    let mut child = command
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()?;
    let status = wait(&mut child);
    if !matches!(status, Ok(Some(_))) {
        // It may have ended by itself by now.
        let _ = child.kill();
        let _ = child.wait();
    }
    status
}

fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(None)
}

pub(super) fn unasked(why: &str) -> Remark {
    Remark {
        severity: Severity::Info,
        message: format!("what the model answers to its input example is not recorded: {why}"),
        hint: None,
    }
}

/// The image would fail in the same way.
fn failed(said: &str) -> Remark {
    const LONGEST: usize = 500;
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it ended");
    let last: String = last.chars().take(LONGEST).collect();
    let hint = if last.starts_with("ModuleNotFoundError") || last.starts_with("ImportError") {
        "name what is missing with --requirement NAME==VERSION, or give --full-mlflow"
    } else {
        "-v shows all that it said; leave the check out with --no-expected"
    };
    Remark::warning(format!("the model does not answer its own input example: {last}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_it_failed() {
        let remark = failed("Traceback\n  x\nModuleNotFoundError: No module named 'a'\n\n");
        assert!(remark.message.ends_with("example: ModuleNotFoundError: No module named 'a'"));
        assert!(remark.hint.unwrap().contains("--full-mlflow"));
        assert!(failed("").message.ends_with("it ended"));
    }
}
