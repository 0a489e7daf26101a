//! The process of a container, and what it writes.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Line;
use super::roots::Root;
use crate::runtime::Group;
use crate::say::say;

/// Runs a container and, beside it, a reader of stdin: when that ends because
/// the emulator did, however it did, so does the whole group. The container
/// says in a file who it is (4), and is told by another (5).
const GUARD: &str = r#"
exec 3<&0 4>"$1" 5<"$2"; shift 2
"$@" </dev/null 3<&- &
job=$!
exec 4>&- 5<&-
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &
wait $job
"#;

/// Between asking a container to end and ending it.
const GRACE: Duration = Duration::from_secs(5);

/// For reading what a container that has ended still left in its pipes.
const REST: Duration = Duration::from_secs(2);

/// What is kept of a container's log.
const LINES: usize = 200;
const LONGEST: u64 = 16 * 1024;

/// What a container needs as long as it runs.
#[derive(Debug)]
pub(super) struct Places {
    /// Not to be taken away meanwhile
    pub(super) _root: Root,
    /// Its own, writable; `pid` and `arguments` in it are for the guard
    pub(super) scratch: TempDir,
}

#[derive(Debug)]
pub(super) struct Process {
    label: String,
    pid_file: PathBuf,
    tail: Arc<Tail>,
    /// Closed when the container has ended and all it said has been read
    ended: watch::Receiver<()>,
    watcher: JoinHandle<()>,
}

impl Process {
    /// Starts a command, which says by its file 4 who it is.
    pub(super) fn spawn(command: &Command, label: &str, places: Places) -> io::Result<Self> {
        let directory = places.scratch.path().to_owned();
        let command = command.as_std();
        let mut guarded = Command::new("/bin/sh");
        guarded.args(["-c", GUARD, "sh"]);
        guarded.args([directory.join("pid"), directory.join("arguments")]);
        guarded.arg(command.get_program()).args(command.get_args()).env_clear();
        guarded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = guarded
            .current_dir(command.get_current_dir().unwrap_or(&directory))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = Group::of(&child);
        let tail = Arc::new(Tail { label: label.to_owned(), lines: Mutex::default() });
        let missing = || io::Error::other("a pipe is missing");
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let reading = {
            let (out, err) = (Arc::clone(&tail), Arc::clone(&tail));
            async move { tokio::join!(out.read(stdout, false), err.read(stderr, true)) }
        };
        let (running, ended) = watch::channel(());
        let pid_file = directory.join("pid");
        let alive = child.stdin.take();
        let label = label.to_owned();
        let container =
            Watched { child, _alive: alive, group, _places: places, label: label.clone() };
        let watcher = tokio::spawn(async move {
            container.until_end(reading).await;
            drop(running);
        });
        Ok(Self { label, pid_file, tail, ended, watcher })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.ended.has_changed().is_ok()
    }

    pub(super) fn tail(&self) -> Vec<Line> {
        self.tail.lock().iter().cloned().collect()
    }

    /// As a platform does it: the container's first process is asked; then
    /// nobody is.
    pub(super) async fn stop(&self) {
        let mut ended = self.ended.clone();
        if !self.is_alive() {
            return;
        }
        if let Some(pid) = first_pid(&self.pid_file) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(GRACE, ended.changed()).await.is_err() {
            say(&format!("{}: did not end in {GRACE:?}, and was killed", self.label));
            self.watcher.abort();
            // The task takes the group along
            let _ = ended.changed().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Takes the group along: the task owns it
        self.watcher.abort();
    }
}

/// The number in the file, or bubblewrap's description of its child.
fn first_pid(file: &Path) -> Option<Pid> {
    let said: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let pid = said.get("child-pid").unwrap_or(&said).as_i64()?;
    Pid::from_raw(i32::try_from(pid).ok()?)
}

struct Watched {
    child: Child,
    /// Its end is the container's, whoever brings it about
    _alive: Option<ChildStdin>,
    group: Group,
    /// Taken away after the group
    _places: Places,
    label: String,
}

impl Watched {
    /// Waits for the process, kills what it left behind, reads its last words.
    async fn until_end(mut self, reading: impl Future) {
        let mut reading = std::pin::pin!(reading);
        let mut is_read = false;
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status,
                _ = &mut reading, if !is_read => is_read = true,
            }
        };
        self.group.signal(Signal::KILL);
        if !is_read {
            let _ = timeout(REST, reading).await;
        }
        let end = status.map_or_else(|err| err.to_string(), |status| status.to_string());
        say(&format!("{}: the container ended, {end}", self.label));
    }
}

/// The last lines that a container wrote.
#[derive(Debug)]
struct Tail {
    label: String,
    lines: Mutex<VecDeque<Line>>,
}

impl Tail {
    /// Shows and keeps every line, in pieces where there is no end to it.
    async fn read(&self, pipe: impl AsyncRead + Unpin, is_error: bool) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!((&mut pipe).take(LONGEST).read_until(b'\n', &mut line).await, Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            say(&format!("{}: {text}", self.label));
            let mut lines = self.lock();
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(Line { time: SystemTime::now(), is_error, text });
            line.clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
