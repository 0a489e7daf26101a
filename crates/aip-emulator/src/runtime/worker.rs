//! The process that serves one version.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::process::Group;
use crate::say::say;

/// As long as the service gave a model server to come up.
const START_LIMIT: Duration = Duration::from_secs(600);

/// As long as the service gave one prediction.
const PREDICT_LIMIT: Duration = Duration::from_secs(60);

/// Between asking a worker to end and ending it.
const GRACE: Duration = Duration::from_secs(2);

/// Requests that may wait for one worker.
const QUEUE: usize = 256;

/// What a worker is started from; enough to start it again.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub python: PathBuf,
    /// The version's copies: `model` and `lib`
    pub home: PathBuf,
    /// `create_version_request`, as the service handed it to its own server
    pub request: Value,
    pub env: Vec<(&'static str, OsString)>,
    /// Names the version in the log
    pub label: String,
}

/// Why a version has no worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// In the service's words
    #[error("{0}")]
    Load(String),
    #[error("cannot start a worker")]
    Io(#[from] io::Error),
}

/// Why a prediction has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PredictError {
    /// The worker was gone before it saw the request: start another
    Gone,
    /// It ended over the request
    Died,
    TimedOut,
    /// Too many requests wait already
    Busy,
}

struct Job {
    body: Bytes,
    answer: oneshot::Sender<Result<Bytes, PredictError>>,
}

/// A loaded model. Requests are answered one after the other.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
    stop: Arc<Notify>,
    actor: JoinHandle<()>,
}

impl Worker {
    /// Starts the process and waits until its model is loaded.
    pub(crate) async fn start(launch: &Launch) -> Result<Self, StartError> {
        let mut process = Process::spawn(launch)?;
        let (_, body) = match timeout(START_LIMIT, process.read()).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(_)) => return Err(StartError::Load(process.ended_early().await)),
            Err(_) => return Err(StartError::Load(unexpected("the model took too long to load"))),
        };
        let ready: Value = serde_json::from_slice(&body).map_err(io::Error::from)?;
        if let Some(error) = ready["error"].as_str() {
            process.end().await;
            return Err(StartError::Load(error.to_owned()));
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        let stop = Arc::new(Notify::new());
        let actor = tokio::spawn(process.serve(queue, Arc::clone(&stop)));
        Ok(Self { jobs, stop, actor })
    }

    /// The body of the response to this request body, both untouched.
    pub(crate) async fn predict(&self, body: Bytes) -> Result<Bytes, PredictError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(Job { body, answer }).map_err(|err| match err {
            mpsc::error::TrySendError::Full(_) => PredictError::Busy,
            mpsc::error::TrySendError::Closed(_) => PredictError::Gone,
        })?;
        // A job that is dropped unanswered was still in the queue.
        answered.await.unwrap_or(Err(PredictError::Gone))
    }

    /// Ends the process and everything it started.
    pub(crate) async fn stop(&self) {
        self.stop.notify_one();
        self.jobs.closed().await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Takes the process along: the actor owns it.
        self.actor.abort();
    }
}

/// The text that the service gave for an exception it did not know.
pub(crate) fn unexpected(detail: &str) -> String {
    let text = "Failed to load model: Unexpected error when loading the model";
    format!("{text}: {detail} (Error code: 0)")
}

struct Process {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    child: Child,
    group: Group,
    label: String,
}

impl Process {
    fn spawn(launch: &Launch) -> io::Result<Self> {
        let home = std::path::absolute(&launch.home)?;
        let script = home.join("worker.py");
        std::fs::write(&script, include_str!("worker.py"))?;
        // What a predictor leaves where it runs goes with its version, and not
        // between its copies: MLflow 2 makes a directory `mlruns`.
        let cwd = home.join("cwd");
        std::fs::create_dir_all(&cwd)?;
        let mut child = Command::new(std::path::absolute(&launch.python)?)
            .current_dir(cwd)
            // Isolated: neither our caller's PYTHONPATH nor the directory we
            // are in may change what a version imports.
            .args(["-I", "-u"])
            .args([script, home.join("model"), home.join("lib")])
            .env("create_version_request", launch.request.to_string())
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = Group::of(&child);
        let missing = || io::Error::other("a pipe is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let errors = child.stderr.take().ok_or_else(missing)?;
        tokio::spawn(relay(errors, launch.label.clone()));
        Ok(Self { input, output, child, group, label: launch.label.clone() })
    }

    /// Answers requests until told to stop or until the process is gone.
    async fn serve(mut self, mut jobs: mpsc::Receiver<Job>, stop: Arc<Notify>) {
        let mut number = 0u64;
        loop {
            let job = tokio::select! {
                () = stop.notified() => break,
                _ = self.child.wait() => break,
                job = jobs.recv() => job,
            };
            let Some(job) = job else { break };
            if job.answer.is_closed() {
                continue;
            }
            number += 1;
            let answer = tokio::select! {
                () = stop.notified() => Err(PredictError::Died),
                answer = timeout(PREDICT_LIMIT, self.exchange(number, &job.body)) => match answer {
                    Ok(answer) => answer,
                    Err(_) => Err(PredictError::TimedOut),
                },
            };
            let is_over = answer.is_err();
            // The client may have left meanwhile.
            let _ = job.answer.send(answer);
            if is_over {
                break;
            }
        }
        let status = self.end().await;
        say(&format!("{}: the worker ended, {status}", self.label));
        drop(jobs);
    }

    /// A process that ended before it began with the request, however close
    /// to it, has not seen it.
    async fn exchange(&mut self, number: u64, body: &[u8]) -> Result<Bytes, PredictError> {
        let head = format!("{number} {}\n", body.len());
        let sent = self.input.write_all(&[head.as_bytes(), body].concat()).await;
        sent.map_err(|_| PredictError::Gone)?;
        let mut failed = PredictError::Gone;
        loop {
            match self.read().await {
                Ok((answered, body)) if answered == number && body.is_empty() => {
                    failed = PredictError::Died;
                }
                Ok((answered, body)) if answered == number => return Ok(body.into()),
                Ok(_) => {}
                Err(_) => return Err(failed),
            }
        }
    }

    async fn read(&mut self) -> io::Result<(u64, Vec<u8>)> {
        let mut head = String::new();
        self.output.read_line(&mut head).await?;
        let parsed = head
            .trim_end()
            .split_once(' ')
            .and_then(|(number, length)| Some((number.parse().ok()?, length.parse().ok()?)));
        let (number, length): (u64, usize) =
            parsed.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).await?;
        Ok((number, body))
    }

    /// What there is to say of a process that ended before its model loaded:
    /// the service gave the bare exit status.
    async fn ended_early(mut self) -> String {
        let status = timeout(GRACE, self.child.wait()).await;
        let code = status.ok().and_then(Result::ok).and_then(|status| status.code());
        let status = self.end().await;
        unexpected(&code.map_or(status, |code| code.to_string()))
    }

    /// Asks first, then insists; says how the process ended.
    async fn end(&mut self) -> String {
        self.group.signal(Signal::TERM);
        let _ = timeout(GRACE, self.child.wait()).await;
        self.group.signal(Signal::KILL);
        self.child.wait().await.map_or_else(|err| err.to_string(), |status| status.to_string())
    }
}

/// Shows what the model's code writes, line by line, until it ends.
async fn relay(errors: ChildStderr, label: String) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    while matches!(errors.read_until(b'\n', &mut line).await, Ok(1..)) {
        say(&format!("{label}: {}", String::from_utf8_lossy(&line).trim_end()));
        line.clear();
    }
}
