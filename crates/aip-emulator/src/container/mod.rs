//! Containers: images that run.
//!
//! Where bubblewrap works and the image has its own interpreter, in the
//! image's own root; else as a process on this machine's Python of the same
//! minor version.

mod content;
mod hosted;
mod isolated;
mod layer;
mod process;
mod program;
mod roots;
mod scoped;
mod spec;
mod user;

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::process::Command;

use crate::registry::Image;
use crate::runtime::{Environments, Interpreters, cache_dir, find_uv};
use crate::say::say;
use crate::state::Options;
use hosted::Host;
use isolated::Bubblewrap;
use process::{Places, Process};
use roots::{Root, Roots};
use spec::Spec;
use user::User;

/// Says who it is, then becomes the container's program.
const ENTER: &str = r#"echo $$ >&4; exec "$@" 4>&- 5<&-"#;

/// What is running, and where it runs.
#[derive(Debug, Clone)]
pub struct Containers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Where containers have directories of their own
    dir: PathBuf,
    roots: Roots,
    host: Host,
    bubblewrap: Bubblewrap,
    /// `HOST:PORT` of the listener: what reads from its bucket is sent there
    endpoint: OnceLock<String>,
    /// None once the emulator ends
    running: Mutex<Option<Vec<Weak<Running>>>>,
}

/// What is said of one container, beside its image.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Names it in the log
    pub label: String,
    /// Added to the image's own
    pub env: Vec<(String, String)>,
    /// In the place of the image's entrypoint, unless empty
    pub command: Vec<String>,
    /// In the place of the image's own arguments, unless empty
    pub args: Vec<String>,
}

/// A line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub time: SystemTime,
    /// On stderr
    pub is_error: bool,
    pub text: String,
}

/// Why a container was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the image '{0}' cannot be unpacked")]
    Unpack(String, #[source] io::Error),
    #[error("the image '{0}' has neither an entrypoint nor a command")]
    NoCommand(String),
    #[error("the image has no user '{0}'")]
    NoUser(String),
    #[error(
        "'{0}' is not run by Python: without bubblewrap, or a root that has it, the emulator \
         cannot run it"
    )]
    NoPython(String),
    #[error("nothing tells which Python '{0}' is: set PYTHON_VERSION in the image")]
    UnknownPython(String),
    #[error("there is no Python {0} on this machine (--python {0}=PATH names one)")]
    MissingPython(String),
    #[error("cannot make an environment of Python {0}")]
    Environment(String, #[source] Box<dyn Error + Send + Sync>),
    #[error("the emulator is ending")]
    Ending,
    #[error("cannot start a container")]
    Io(#[from] io::Error),
}

/// A container that was started; killed when the last handle goes.
#[derive(Debug, Clone)]
pub struct Container(Arc<Running>);

#[derive(Debug)]
struct Running {
    port: u16,
    how: String,
    process: Process,
}

impl Containers {
    pub fn new(options: &Options) -> Self {
        let cache = cache_dir(options).unwrap_or_else(|| options.data_dir.clone());
        let uv = find_uv();
        let host = Host {
            interpreters: Interpreters::new(options.pythons.clone(), uv.clone()),
            environments: Environments::new(cache.join("envs"), uv),
            bytecode: cache.join("bytecode"),
        };
        Self(Arc::new(Inner {
            dir: options.data_dir.join("containers"),
            roots: Roots::new(cache.join("roots")),
            host,
            bubblewrap: Bubblewrap::default(),
            endpoint: OnceLock::new(),
            running: Mutex::new(Some(Vec::new())),
        }))
    }

    /// Says where requests reach the emulator, once that is known.
    pub(crate) fn set_endpoint(&self, host: String) {
        self.0.endpoint.get_or_init(|| host);
    }

    /// Starts the image's server, which gets a port of its own. It need not
    /// listen yet when this returns.
    pub async fn start(&self, image: &Image, launch: Launch) -> Result<Container, StartError> {
        if self.0.running.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Err(StartError::Ending);
        }
        let mut spec = Spec::of(image, &launch)?;
        let root = self.0.roots.ensure(&image.layers).await;
        let root = root.map_err(|err| StartError::Unpack(image.uri.clone(), err))?;
        std::fs::create_dir_all(&self.0.dir)?;
        let scratch = tempfile::tempdir_in(&self.0.dir)?;
        let port = free_port()?;
        self.lead(&mut spec, port);
        let (command, how) = self.command(spec, &root, &scratch).await?;
        let process = Process::spawn(&command, &launch.label, Places { _root: root, scratch })?;
        say(&format!("{}: runs {how}", launch.label));
        let running = Arc::new(Running { port, how, process });
        let mut all = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.as_mut().ok_or(StartError::Ending)?;
        all.retain(|running| running.strong_count() > 0);
        all.push(Arc::downgrade(&running));
        Ok(Container(running))
    }

    /// What an image's server is told beside what Vertex AI tells it: to
    /// listen on loopback only, and where Google is.
    fn lead(&self, spec: &mut Spec, port: u16) {
        spec.env.set("AIP_HTTP_PORT", port.to_string());
        spec.env.set("MLFLOW_AIP_HOST", "127.0.0.1");
        if let Some(host) = self.0.endpoint.get() {
            spec.env.set_default("STORAGE_EMULATOR_HOST", format!("http://{host}"));
            spec.env.set_default("GCE_METADATA_HOST", host.clone());
            spec.env.set_default("GCE_METADATA_IP", host.clone());
        }
    }

    /// How to start it here, and how a person would call that.
    async fn command(
        &self,
        mut spec: Spec,
        root: &Root,
        scratch: &TempDir,
    ) -> Result<(Command, String), StartError> {
        let arguments = scratch.path().join("arguments");
        let is_there = program::find(&root.path, &spec.program, &spec.env).is_some();
        if let Some(bubblewrap) = self.0.bubblewrap.find().await.filter(|_| is_there) {
            let user = User::find(&root.path, &spec.user);
            let user = user.ok_or_else(|| StartError::NoUser(spec.user.clone()))?;
            spec.env.set_default("HOME", "/tmp");
            spec.env.keep(|_| true);
            isolated::write_arguments(&arguments, &spec, &root.path, user)?;
            let mut command = Command::new(bubblewrap);
            command.args(["--args", "5", "--"]).arg(spec.program).args(spec.args);
            return Ok((command, "in its own root (bwrap)".to_owned()));
        }
        std::fs::File::create(arguments)?;
        let hosted = self.0.host.prepare(spec, &root.path, scratch.path()).await?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ENTER, "sh"]).args(hosted.words).current_dir(hosted.working_dir);
        command.envs(hosted.env.iter());
        Ok((command, hosted.how))
    }

    /// For good: what looks after a server does not start it again.
    pub async fn stop_all(&self) {
        let all = self.0.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let running = all.iter().flatten().filter_map(Weak::upgrade);
        let stops = running.map(|running| async move { running.process.stop().await });
        futures_util::future::join_all(stops).await;
    }
}

/// Free now, and for long enough: the system gives the same one again only
/// after many others.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl Container {
    /// `http://127.0.0.1:PORT`
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// In what it runs, as a person reads it.
    pub fn how(&self) -> &str {
        &self.0.how
    }

    pub fn is_alive(&self) -> bool {
        self.0.process.is_alive()
    }

    /// The last lines of what it wrote, on stdout and stderr.
    pub fn log_tail(&self) -> Vec<String> {
        self.log().into_iter().map(|line| line.text).collect()
    }

    /// The same lines, and when they came.
    pub fn log(&self) -> Vec<Line> {
        self.0.process.tail()
    }

    /// Asks it to end, then insists.
    pub async fn stop(&self) {
        self.0.process.stop().await;
    }
}
