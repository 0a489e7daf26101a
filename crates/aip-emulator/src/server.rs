//! The emulator as a whole: a directory, a listener, and what ends with it.

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::connection::{Acceptor, Connection};
use crate::state::{App, Options};
use crate::traffic::Traffic;

/// How long requests under way may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// What to start.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// Which are there from the beginning
    pub buckets: Vec<String>,
    /// Kept after the end; without one, a temporary directory is used
    pub data_dir: Option<PathBuf>,
    pub traffic_log: Option<PathBuf>,
    /// `data_dir` is filled in from above
    pub options: Options,
}

/// A running emulator.
pub struct Emulator {
    address: SocketAddr,
    app: App,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
    /// Held as long as the directory is in use
    lock: File,
    temporary: Option<TempDir>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("refusing to listen on '{0}': it is not a loopback address")]
    NotLoopback(SocketAddr),
    #[error("cannot listen on '{0}'")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("cannot use the directory '{0}'")]
    DataDir(PathBuf, #[source] io::Error),
    #[error("the directory '{0}' is in use by another emulator")]
    InUse(PathBuf),
    #[error("cannot write the traffic log '{0}'")]
    TrafficLog(PathBuf, #[source] io::Error),
    #[error("cannot create the bucket '{name}': {message}")]
    Bucket { name: String, message: String },
}

impl Emulator {
    /// Anyone who can connect can run code as this user, so only this machine
    /// may.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        if !config.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(config.listen));
        }
        let (data_dir, temporary) = data_dir(config.data_dir)?;
        let lock = lock(&data_dir)?;
        let options = Options { data_dir: data_dir.clone(), ..config.options };
        let traffic = config
            .traffic_log
            .map(|path| Traffic::open(&path).map_err(|err| StartError::TrafficLog(path, err)));
        let app = App::new(options, traffic.transpose()?)
            .map_err(|err| StartError::DataDir(data_dir, err))?;
        create_buckets(&app, config.buckets)?;
        let failed = |err| StartError::Listen(config.listen, err);
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        app.ml.set_endpoint(format!("http://{address}"));
        app.vertex.set_port(address.port());
        app.registry.set_host(address.to_string());
        app.containers.set_endpoint(address.to_string());
        let (stop, stopped) = oneshot::channel::<()>();
        let service = crate::app(app.clone()).into_make_service_with_connect_info::<Connection>();
        let server = axum::serve(Acceptor(listener), service).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let server = tokio::spawn(server.into_future());
        Ok(Self { address, app, stop, server, lock, temporary })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where images are pushed to: `HOST:PORT`.
    pub fn registry(&self) -> String {
        self.address.to_string()
    }

    pub fn data_dir(&self) -> &Path {
        &self.app.options.data_dir
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    /// Ends the requests under way, the workers, and a temporary directory.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let mut server = self.server;
        if tokio::time::timeout(GRACE, &mut server).await.is_err() {
            server.abort();
        }
        self.app.vertex.shutdown();
        self.app.builds.shutdown();
        tokio::join!(self.app.ml.shutdown(), self.app.containers.stop_all());
        drop((self.lock, self.temporary));
    }
}

fn data_dir(wanted: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>), StartError> {
    let Some(dir) = wanted else {
        let temporary = tempfile::Builder::new().prefix("aip-emulator-").tempdir();
        let temporary = temporary.map_err(|err| StartError::DataDir(std::env::temp_dir(), err))?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    let absolute = std::fs::create_dir_all(&dir).and_then(|()| dir.canonicalize());
    absolute.map(|dir| (dir, None)).map_err(|err| StartError::DataDir(dir, err))
}

/// In a directory that is kept, a bucket may be there from the last time.
fn create_buckets(app: &App, names: Vec<String>) -> Result<(), StartError> {
    for name in names {
        match app.storage.create_bucket(&name) {
            Err(err) if err.code() != 409 => {
                let message = err.message().to_owned();
                return Err(StartError::Bucket { name, message });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Two emulators would each overwrite what the other does not know of.
fn lock(dir: &Path) -> Result<File, StartError> {
    let failed = |err| StartError::DataDir(dir.to_owned(), err);
    let file = File::create(dir.join(".lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(dir.to_owned())),
        Err(TryLockError::Error(err)) => Err(failed(err)),
    }
}
