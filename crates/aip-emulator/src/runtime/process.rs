//! Running programs so that nothing of them outlives us.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// How much of a failed program's output is worth showing.
const SHOWN_LINES: usize = 40;

/// One line for the developer who watches the emulator. Losing it is no
/// reason to fail.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "aip-emulator: {line}");
}

/// A program that did not do its job.
#[derive(Debug, thiserror::Error)]
#[error("'{program}' ended with {status}")]
pub(crate) struct Failed {
    pub program: String,
    /// The exit status, as a person reads it
    pub status: String,
    /// The end of what it wrote
    pub output: String,
}

/// A process group, killed when dropped: with the program goes whatever it
/// started itself.
#[derive(Debug)]
pub(crate) struct Group(Option<Pid>);

impl Group {
    pub(crate) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // The group may be gone already, which is what we want.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Runs a command and, beside it, a reader of stdin: when that ends because
/// this process did, however it did, so does the whole group.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
job=$!
{ cat <&3; kill -KILL 0; } >/dev/null 2>&1 &
wait $job
"#;

/// Runs a program to its end and gives what it wrote on stdout.
pub(crate) async fn run(command: Command) -> Result<Vec<u8>, Failed> {
    let command = command.as_std();
    let program = PathBuf::from(command.get_program()).display().to_string();
    let mut guarded = Command::new("sh");
    guarded.args(["-c", GUARD, "sh"]).arg(command.get_program()).args(command.get_args());
    let child = guarded
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(err) => {
            let output = err.to_string();
            return Err(Failed { program, status: "no start".to_owned(), output });
        }
    };
    let group = Group::of(&child);
    let alive = child.stdin.take();
    let output = child.wait_with_output().await;
    drop((alive, group));
    match output {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let status = output.status.to_string();
            Err(Failed { program, status, output: last_lines(&String::from_utf8_lossy(&text)) })
        }
        Err(err) => Err(Failed { program, status: "no end".to_owned(), output: err.to_string() }),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

impl Failed {
    /// Shows the developer what the client is not told.
    pub(crate) fn show(&self, subject: &str) {
        say(&format!("{subject}: {self}"));
        for line in self.output.lines() {
            say(&format!("{subject}: {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_program_shows_the_end_of_its_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "seq 100; echo oops >&2; exit 3"]);
        let failed = run(command).await.unwrap_err();
        assert_eq!(failed.status, "exit status: 3");
        assert!(failed.output.starts_with("62\n") && failed.output.ends_with("100\noops"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let failed = run(Command::new("/nowhere/python")).await.unwrap_err();
        assert_eq!(failed.to_string(), "'/nowhere/python' ended with exit status: 127");
    }

    #[tokio::test]
    async fn an_argument_is_no_shell_code() {
        let mut command = Command::new("printf");
        command.args(["%s|", "a b", "$(id)", "'\"; echo", ""]);
        assert_eq!(run(command).await.unwrap(), b"a b|$(id)|'\"; echo||");
    }

    #[tokio::test]
    async fn what_a_program_left_behind_is_killed() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 >/dev/null 2>&1 & echo $!"]);
        let left: i32 =
            String::from_utf8(run(command).await.unwrap()).unwrap().trim().parse().unwrap();
        let pid = Pid::from_raw(left).unwrap();
        for _ in 0..100 {
            let stat = std::fs::read_to_string(format!("/proc/{left}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{pid:?} is alive");
    }
}
