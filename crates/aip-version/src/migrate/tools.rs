//! The tools of the stages before, as they lie beside this one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use deployment::{Deployment, Kind};
use log::debug;
use stage::{Failure, Process};

pub(super) struct Tools<'a> {
    pub(super) process: &'a Process,
    pub(super) access_token_file: Option<&'a Path>,
}

impl Tools<'_> {
    /// The document that a tool makes of this one. What it says goes to stderr
    /// as it comes, under its own name.
    pub(super) fn run(
        &self,
        tool: &str,
        args: &[&str],
        document: &Deployment,
    ) -> Result<Deployment, Failure> {
        let failed = |message: &str| {
            Failure::failed("cannot bring the version to target 'vertex'").because(message)
        };
        let again = "what was done is found again: run the same command again";
        let _interrupt =
            self.process.on_interrupt(format!("interrupted while {tool} ran"), again)?;
        let mut command = Command::new(beside(tool));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(file) = self.access_token_file.filter(|_| tool != "aip-bundle") {
            command.arg("--access-token-file").arg(file);
        }
        debug!("running {command:?}");
        let text = serde_json::to_vec(document)
            .map_err(|error| failed("the document cannot be written").cause(&error))?;
        let mut child =
            command.spawn().map_err(|error| failed(&format!("cannot run {tool}")).cause(&error))?;
        // It reads all of the document before it writes a word.
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends before it has read all says why itself.
            let _ = stdin.write_all(&text);
        }
        let done = child
            .wait_with_output()
            .map_err(|error| failed(&format!("cannot run {tool}")).cause(&error))?;
        if !done.status.success() {
            return Err(
                failed(&format!("{tool} ended with {}", done.status)).of(kind(done.status.code()))
            );
        }
        Ok(Deployment::parse(&done.stdout)?)
    }
}

/// In the directory of this program, else wherever the system finds it.
fn beside(tool: &str) -> PathBuf {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(|directory| directory.join(tool));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| tool.into())
}

/// What a script should do about it, by the tool's exit status.
fn kind(status: Option<i32>) -> Kind {
    match status {
        Some(2) => Kind::Usage,
        Some(3) => Kind::Input,
        Some(4) => Kind::Refused,
        Some(5) => Kind::Unavailable,
        _ => Kind::Failed,
    }
}
