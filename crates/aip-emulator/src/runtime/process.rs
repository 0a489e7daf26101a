//! Running programs so that nothing of them outlives us.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::say::say;

/// Longer than any build or download of packages that gets anywhere.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// For reading what a program that has ended still left in its pipes.
const GRACE: Duration = Duration::from_secs(5);

/// How much of a failed program's output is worth showing.
const SHOWN_LINES: usize = 40;

/// A program that did not do its job.
#[derive(Debug, thiserror::Error)]
#[error("'{program}' {end}")]
pub(crate) struct Failed {
    pub program: String,
    /// What became of it, as a person reads it
    pub end: String,
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
    run_within(LIMIT, command).await
}

async fn run_within(limit: Duration, command: Command) -> Result<Vec<u8>, Failed> {
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
    let (end, output) = match child {
        Ok(child) => match collect(limit, child).await {
            Ok(ended) => match ended.status {
                Some(status) if status.success() => return Ok(ended.stdout),
                Some(status) => (format!("ended with {status}"), last_lines(&ended)),
                None => (format!("was stopped after {limit:?}"), last_lines(&ended)),
            },
            Err(err) => ("cannot be waited for".to_owned(), err.to_string()),
        },
        Err(err) => ("cannot be started".to_owned(), err.to_string()),
    };
    Err(Failed { program, end, output })
}

/// A program that runs no more.
struct Ended {
    /// None: it was out of time
    status: Option<ExitStatus>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Waits for the child, not for the end of its output: what it started in the
/// background may hold that open for ever.
async fn collect(limit: Duration, mut child: Child) -> io::Result<Ended> {
    let group = Group::of(&child);
    let alive = child.stdin.take();
    let missing = || io::Error::other("a pipe is missing");
    let mut stdout = child.stdout.take().ok_or_else(missing)?;
    let mut stderr = child.stderr.take().ok_or_else(missing)?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let reading =
            async { tokio::join!(stdout.read_to_end(&mut out), stderr.read_to_end(&mut err)) };
        let mut reading = std::pin::pin!(reading);
        let mut deadline = std::pin::pin!(sleep(limit));
        let mut is_read = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break Some(status?),
                _ = &mut reading, if !is_read => is_read = true,
                () = &mut deadline => break None,
            }
        };
        drop((alive, group));
        if !is_read {
            // Whoever left the group may hold the pipes still.
            let _ = timeout(GRACE, reading).await;
        }
        status
    };
    Ok(Ended { status, stdout: out, stderr: err })
}

/// The end of what a program wrote.
fn last_lines(ended: &Ended) -> String {
    let text = [ended.stdout.as_slice(), &ended.stderr].concat();
    let text = String::from_utf8_lossy(&text);
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
        assert_eq!(failed.end, "ended with exit status: 3");
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

    async fn is_gone(pid: &[u8]) -> bool {
        let pid: i32 = String::from_utf8_lossy(pid).trim().parse().unwrap();
        for _ in 0..100 {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }

    #[tokio::test]
    async fn what_a_program_left_behind_is_killed_even_if_it_holds_the_pipes() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!"]);
        let left = timeout(Duration::from_secs(4), run(command)).await.unwrap().unwrap();
        assert!(is_gone(&left).await);
    }

    #[tokio::test]
    async fn a_program_without_end_is_stopped() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$; exec sleep 60"]);
        let failed = run_within(Duration::from_millis(500), command).await.unwrap_err();
        assert_eq!(failed.to_string(), "'sh' was stopped after 500ms");
        assert!(is_gone(failed.output.as_bytes()).await);
    }

    #[tokio::test]
    async fn more_than_a_pipe_holds_is_read_whole() {
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"]);
        assert_eq!(run(command).await.unwrap().len(), 1_000_000);
    }
}
