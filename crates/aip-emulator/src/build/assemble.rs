//! Carrying out a Dockerfile: the same layers as Docker would make, by this
//! machine's tools.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::process::Command as Program;

use super::changes::Snapshot;
use super::context::{copy, inside};
use super::dockerfile::{Instruction, Line};
use super::shell::Command;
use crate::registry::{Assembly, Registry};
use crate::runtime::{Interpreter, Interpreters, run};

/// What a build is made with.
#[derive(Debug, Clone)]
pub(super) struct Tools<'a> {
    pub(super) registry: &'a Registry,
    pub(super) interpreters: &'a Interpreters,
    pub(super) uv: Option<&'a Path>,
}

struct Builder<'a> {
    tools: &'a Tools<'a>,
    context: &'a Path,
    /// What comes over the base
    tree: PathBuf,
    before: Snapshot,
    image: Assembly,
}

/// Builds an image from a context, with `scratch` to work in; what went wrong
/// is said with the Dockerfile's line.
pub(super) async fn build(
    tools: &Tools<'_>,
    lines: &[Line],
    context: &Path,
    scratch: &Path,
) -> Result<Assembly, String> {
    let Some((Line { instruction: Instruction::From(base), .. }, rest)) = lines.split_first()
    else {
        return Err("there is no FROM".to_owned());
    };
    let image = tools.registry.assembly(base).map_err(|err| format!("FROM: {err}"))?;
    let tree = scratch.join("tree");
    fs::create_dir(&tree).map_err(|err| err.to_string())?;
    let mut builder = Builder { tools, context, tree, before: Snapshot::default(), image };
    for line in rest {
        let done = builder.carry_out(line).await;
        done.map_err(|why| format!("line {}: {why}", line.number))?;
    }
    Ok(builder.image)
}

impl Builder<'_> {
    async fn carry_out(&mut self, line: &Line) -> Result<(), String> {
        match &line.instruction {
            Instruction::Copy { sources, into } => copy(self.context, sources, &self.tree, into)?,
            Instruction::Run(commands) => {
                for command in commands {
                    self.run(command).await?;
                }
            }
            other => {
                configure(&mut self.image.config["config"], other);
                return Ok(());
            }
        }
        // A layer may be large, and others want their answers meanwhile
        tokio::task::block_in_place(|| self.add_layer(&line.text)).map_err(|err| err.to_string())
    }

    /// Adds what has changed in the tree, if anything has.
    fn add_layer(&mut self, created_by: &str) -> io::Result<()> {
        let after = Snapshot::take(&self.tree)?;
        if !after.is_as(&self.before) {
            let (tree, before) = (&self.tree, &self.before);
            let changes = |out: &mut dyn io::Write| after.write_changes(before, tree, out);
            self.tools.registry.add_layer(&mut self.image, created_by, changes)?;
            self.before = after;
        }
        Ok(())
    }

    async fn run(&self, command: &Command) -> Result<(), String> {
        match command {
            Command::Install { requirements, target, with_dependencies } => {
                let requirements = self.file(requirements)?;
                let target = inside(&self.tree, target)?;
                let python = self.python().await?;
                let mut pip = self.pip(&python.path);
                pip.args((!with_dependencies).then_some("--no-deps"));
                pip.arg("--require-hashes").arg("--target").arg(target);
                finish(pip.arg("-r").arg(requirements)).await
            }
            Command::Unzip { file, into } => {
                let (file, into) = (self.file(file)?, inside(&self.tree, into)?);
                let python = self.python().await?;
                let mut unzip = Program::new(python.path);
                finish(unzip.args(["-I", "-m", "zipfile", "-e"]).arg(file).arg(into)).await
            }
            Command::Remove { file } => {
                fs::remove_file(self.file(file)?).map_err(|err| format!("rm '{file}': {err}"))
            }
        }
    }

    /// An installer of packages, for this interpreter.
    fn pip(&self, python: &Path) -> Program {
        let Some(uv) = self.tools.uv else {
            let mut pip = Program::new(python);
            pip.args(["-I", "-m", "pip", "install", "--quiet", "--no-input", "--no-compile"]);
            pip.arg("--disable-pip-version-check");
            return pip;
        };
        let mut pip = Program::new(uv);
        pip.args(["pip", "install", "--quiet", "--python"]).arg(python);
        pip
    }

    /// A file that an instruction before brought.
    fn file(&self, path: &str) -> Result<PathBuf, String> {
        let found = inside(&self.tree, path)?;
        if found.is_file() { Ok(found) } else { Err(format!("there is no '{path}'")) }
    }

    /// This machine's Python of the version that the base says is its own.
    async fn python(&self) -> Result<Interpreter, String> {
        let env = self.image.config["config"]["Env"].as_array().into_iter().flatten();
        let mut env = env.filter_map(Value::as_str);
        let version = env.find_map(|variable| variable.strip_prefix("PYTHON_VERSION="));
        let version = version.ok_or("the base does not say PYTHON_VERSION")?;
        let minor: Vec<&str> = version.split('.').take(2).collect();
        let minor = minor.join(".");
        let python = self.tools.interpreters.find(&minor).await;
        python.ok_or_else(|| format!("there is no Python {minor} on this machine"))
    }
}

async fn finish(command: &mut Program) -> Result<(), String> {
    let command = std::mem::replace(command, Program::new("true"));
    match run(command).await {
        Ok(_) => Ok(()),
        Err(failed) => Err(format!("{failed}\n{}", failed.output)),
    }
}

fn configure(config: &mut Value, instruction: &Instruction) {
    match instruction {
        Instruction::Env(pairs) => {
            let mut env: Vec<String> =
                serde_json::from_value(config["Env"].take()).unwrap_or_default();
            for (name, value) in pairs {
                env.retain(|old| old.split('=').next() != Some(name));
                env.push(format!("{name}={value}"));
            }
            config["Env"] = env.into();
        }
        Instruction::Label(pairs) => {
            for (name, value) in pairs {
                config["Labels"][name] = value.clone().into();
            }
        }
        Instruction::User(user) => config["User"] = user.clone().into(),
        Instruction::Expose(ports) => {
            for port in ports {
                let port = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
                config["ExposedPorts"][port] = json!({});
            }
        }
        Instruction::Entrypoint(words) => {
            config["Entrypoint"] = words.clone().into();
            // The base's arguments were for its own
            config["Cmd"] = Value::Null;
        }
        Instruction::From(_) | Instruction::Copy { .. } | Instruction::Run(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_config_says_in_the_end() {
        let mut config = json!({ "Env": ["PATH=/bin", "A=b"], "Cmd": ["python3"] });
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for instruction in [
            Instruction::Env(pair("A", "c=d")),
            Instruction::Label(pair("a.b", "c")),
            Instruction::User("1:1".to_owned()),
            Instruction::Expose(vec!["8080".to_owned()]),
            Instruction::Entrypoint(vec!["python3".to_owned(), "app".to_owned()]),
        ] {
            configure(&mut config, &instruction);
        }
        let expected = json!({
            "Env": ["PATH=/bin", "A=c=d"], "Cmd": null, "Labels": {"a.b": "c"}, "User": "1:1",
            "ExposedPorts": {"8080/tcp": {}}, "Entrypoint": ["python3", "app"],
        });
        assert_eq!(config, expected);
    }
}
