//! What containers wrote, after they ended too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::plan::Tenant;
use crate::container::{Container, Line};

/// Containers that are remembered; the oldest goes first.
const MAX_CONTAINERS: usize = 100;

#[derive(Debug, Clone, Default)]
pub(super) struct Logs(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    logs: Mutex<BTreeMap<u64, Log>>,
}

#[derive(Debug)]
struct Log {
    tenant: Tenant,
    lines: Lines,
}

/// A container that ended takes its files with it, but not its words.
#[derive(Debug)]
enum Lines {
    Of(Container),
    Left(Vec<Line>),
}

impl Logs {
    /// Begins the log of a container; gives its number.
    pub(super) fn follow(&self, tenant: &Tenant, container: Container) -> u64 {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut logs = self.lock();
        logs.insert(number, Log { tenant: tenant.clone(), lines: Lines::Of(container) });
        if logs.len() > MAX_CONTAINERS {
            logs.pop_first();
        }
        number
    }

    /// Ends a log: nothing more is written.
    pub(super) fn close(&self, number: u64) {
        if let Some(log) = self.lock().get_mut(&number)
            && let Lines::Of(container) = &log.lines
        {
            log.lines = Lines::Left(container.log());
        }
    }

    /// All that was written, by the numbers of the logs.
    pub(super) fn all(&self) -> Vec<(u64, Tenant, Vec<Line>)> {
        let logs = self.lock();
        let read = |(number, log): (&u64, &Log)| {
            let lines = match &log.lines {
                Lines::Of(container) => container.log(),
                Lines::Left(lines) => lines.clone(),
            };
            (*number, log.tenant.clone(), lines)
        };
        logs.iter().map(read).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Log>> {
        self.0.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
