//! A container that serves, watched as Vertex AI watches it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Vertex;
use super::http::{Failed, Http};
use super::logs::Logs;
use super::plan::Plan;
use crate::container::{Container, Containers};
use crate::registry::{Image, Registry};
use crate::say::say;

/// How long one health check may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a server is looked at while it starts, and later. The service
/// takes ten seconds; the counts are its own.
const STARTING: Duration = Duration::from_millis(100);
const RUNNING: Duration = Duration::from_secs(1);

/// So many checks in a row must fail before a server gets no more traffic,
/// and connections before it is started again.
const TOLERATED: u32 = 4;

/// How long to wait before starting it again: doubles up to this.
const MAX_BACKOFF: Duration = Duration::from_secs(32);

/// What a server is started with.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub registry: Registry,
    pub containers: Containers,
    pub http: Http,
    pub logs: Logs,
}

#[derive(Debug, Clone)]
pub(super) struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    host: Host,
    plan: Plan,
    image: Image,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    container: Container,
    /// The number of its log
    log: u64,
    /// Health checks that failed in a row
    failures: u32,
    /// Connections that failed in a row
    refusals: u32,
    is_stopped: bool,
}

/// Why there is no server, in the service's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotServing(pub String);

impl Server {
    /// Pulls the image, starts a container of it and waits until it is
    /// healthy. `note` is told how far that is.
    pub(super) async fn start(
        host: Host,
        plan: Plan,
        note: impl Fn(&str),
    ) -> Result<Self, NotServing> {
        note("GETTING_CONTAINER_IMAGE");
        let (registry, uri) = (host.registry.clone(), plan.image.clone());
        let pulled = tokio::task::spawn_blocking(move || registry.image(&uri)).await;
        let image = pulled
            .map_err(|err| NotServing(err.to_string()))?
            .map_err(|err| NotServing(err.to_string()))?;
        note("STARTING_MODEL_SERVER");
        let (container, log) = host.start(&plan, &image).await?;
        let state = State {
            container: container.clone(),
            log,
            failures: 0,
            refusals: 0,
            is_stopped: false,
        };
        let server = Self(Arc::new(Inner { host, plan, image, state: Mutex::new(state) }));
        if let Err(failed) = server.become_ready(&container).await {
            server.stop().await;
            return Err(failed);
        }
        note("FINISHING_UP");
        tokio::spawn(watch(Arc::downgrade(&server.0)));
        Ok(server)
    }

    async fn become_ready(&self, container: &Container) -> Result<(), NotServing> {
        let end = Instant::now() + self.0.plan.timeout;
        while Instant::now() < end {
            if self.0.check_health(container).await == Ok(200) {
                return Ok(());
            }
            if !container.is_alive() {
                return Err(self.0.fail("Model server exited unexpectedly."));
            }
            sleep(STARTING).await;
        }
        Err(self.0.fail(
            "Model server never became ready. Please validate that your model file or container \
             configuration are valid.",
        ))
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// Where requests go, unless the server is not well.
    pub(super) fn url(&self) -> Option<String> {
        let state = self.0.lock();
        (state.failures < TOLERATED).then(|| state.container.base_url())
    }

    pub(super) async fn stop(&self) {
        let (container, log) = {
            let mut state = self.0.lock();
            state.is_stopped = true;
            (state.container.clone(), state.log)
        };
        self.0.host.end(&container, log).await;
    }
}

impl Host {
    async fn start(&self, plan: &Plan, image: &Image) -> Result<(Container, u64), NotServing> {
        let started = self.containers.start(image, plan.launch.clone()).await;
        let container = started.map_err(|err| NotServing(with_cause(&err)))?;
        let log = self.logs.follow(&plan.tenant, container.clone());
        Ok((container, log))
    }

    /// Stops a container, whose log holds on to it until then.
    async fn end(&self, container: &Container, log: u64) {
        container.stop().await;
        self.logs.close(log);
    }
}

fn with_cause(err: &dyn std::error::Error) -> String {
    match err.source() {
        Some(cause) => format!("{err}: {}", with_cause(cause)),
        None => err.to_string(),
    }
}

impl Drop for Inner {
    /// Whoever had it was cancelled: nobody else will stop the container.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !state.is_stopped {
            let (host, container, log) = (self.host.clone(), state.container.clone(), state.log);
            runtime.spawn(async move { host.end(&container, log).await });
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn check_health(&self, container: &Container) -> Result<u16, Failed> {
        let url = format!("{}{}", container.base_url(), self.plan.health_route);
        self.host.http.status(&url, PATIENCE).await
    }

    /// The service's text, which says where the server's own words are.
    fn fail(&self, what: &str) -> NotServing {
        let tenant = &self.plan.tenant;
        NotServing(format!(
            "{what} Model server logs can be found at \
             https://console.cloud.google.com/logs/viewer?project={}&\
             resource=aiplatform.googleapis.com%2FEndpoint&advancedFilter=resource.type%3D%22\
             aiplatform.googleapis.com%2FEndpoint%22%0Aresource.labels.endpoint_id%3D%22{}%22%0A\
             resource.labels.location%3D%22{}%22.",
            tenant.place.number, tenant.endpoint, tenant.place.location
        ))
    }

    /// Checks once. Says whether the container is to be started again.
    async fn look(&self) -> bool {
        let container = self.lock().container.clone();
        let health = self.check_health(&container).await;
        let is_alive = container.is_alive();
        let mut state = self.lock();
        if health == Ok(200) {
            state.failures = 0;
            state.refusals = 0;
            return false;
        }
        state.failures += 1;
        state.refusals = if health == Err(Failed::Refused) { state.refusals + 1 } else { 0 };
        if !is_alive {
            state.failures = TOLERATED;
        }
        !state.is_stopped && (!is_alive || state.refusals >= TOLERATED)
    }

    async fn restart(&self) {
        let (old, log) = {
            let state = self.lock();
            (state.container.clone(), state.log)
        };
        self.host.end(&old, log).await;
        match self.host.start(&self.plan, &self.image).await {
            Ok((container, log)) => {
                let is_unwanted = {
                    let mut state = self.lock();
                    state.refusals = 0;
                    if !state.is_stopped {
                        state.container = container.clone();
                        state.log = log;
                    }
                    state.is_stopped
                };
                if is_unwanted {
                    self.host.end(&container, log).await;
                }
            }
            Err(err) => say(&format!("{}: {err}", self.plan.launch.label)),
        }
    }
}

/// Looks after a server until nobody has it any more.
async fn watch(server: Weak<Inner>) {
    let mut backoff = RUNNING;
    loop {
        sleep(RUNNING).await;
        let Some(server) = server.upgrade().filter(|server| !server.lock().is_stopped) else {
            return;
        };
        if server.look().await {
            say(&format!("{}: the server is started again", server.plan.launch.label));
            sleep(backoff).await;
            server.restart().await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        } else if server.lock().failures == 0 {
            backoff = RUNNING;
        }
    }
}

impl Vertex {
    pub(super) fn host(&self, app: &crate::state::App) -> Host {
        Host {
            registry: app.registry.clone(),
            containers: app.containers.clone(),
            http: self.0.http.clone(),
            logs: self.0.logs.clone(),
        }
    }
}
