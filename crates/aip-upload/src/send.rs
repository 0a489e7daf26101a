//! Bringing the bucket to what the plan says.

use std::sync::OnceLock;

use deployment::Kind;
use gcp::storage::{GsUri, Journal, ObjectMeta, Storage};
use log::{debug, info};
use stage::{Failure, Process};

use crate::composite::{self, Composite};
use crate::item::{Item, Source};
use crate::plan::Plan;
use crate::reach::grant;
use crate::there::There;

/// What it took.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Of the plan's items, in their order.
    pub(crate) generations: Vec<Option<u64>>,
    /// From this machine.
    pub(crate) count: usize,
    /// Those that left in this run.
    pub(crate) bytes: u64,
    /// Those that did not have to.
    pub(crate) spared: u64,
    /// Within the service.
    pub(crate) copied: usize,
}

/// What must go before the model is all that lies at its place, if it may.
pub(crate) fn extra<'a>(
    plan: &Plan,
    there: &'a There,
    delete: bool,
) -> Result<Vec<&'a ObjectMeta>, Failure> {
    let extra = plan.extra(there);
    match extra.first() {
        Some(first) if !delete => {
            let message = format!(
                "'gs://{}/{}' holds objects that are not part of the model: {}, such as '{}'",
                plan.bucket,
                plan.model_prefix,
                extra.len(),
                first.name
            );
            Err(Failure::failed(message)
                .hint("remove them with --delete-extra, or choose another --route or version name"))
        }
        _ => Ok(extra),
    }
}

pub(crate) fn remove(storage: &Storage, plan: &Plan, extra: &[&ObjectMeta]) -> Result<(), Failure> {
    for object in extra {
        storage.delete(&plan.bucket, object)?;
        info!("removed gs://{}/{}", plan.bucket, object.name);
    }
    Ok(())
}

/// What brings a plan's objects to the bucket.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) process: &'a Process,
    pub(crate) storage: &'a Storage,
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) there: &'a There,
    pub(crate) journal: Option<&'a Journal>,
    /// Whether large files go in parts.
    pub(crate) in_parts: bool,
}

/// What one worker does at a time, with the item's place in the plan.
enum Task<'a> {
    Whole(usize, &'a Item<'a>),
    Part(&'a Composite<'a>, usize),
}

impl<'a> Composite<'a> {
    fn parts(&'a self) -> impl Iterator<Item = Task<'a>> {
        (0..self.count()).map(|index| Task::Part(self, index))
    }
}

impl Task<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Whole(_, item) => item.size(),
            Self::Part(composite, index) => composite.part_size(*index),
        }
    }
}

impl Sender<'_> {
    /// Sends what differs, the largest first, so that none is left to go alone.
    pub(crate) fn all(&self, jobs: usize) -> Result<Sent, Failure> {
        let Self { process, plan, .. } = *self;
        let mut generations = Vec::with_capacity(plan.items.len());
        generations.extend(plan.items.iter().map(|item| self.same(item)));
        let items = plan.items.iter().enumerate();
        let different: Vec<_> = items.filter(|(index, _)| generations[*index].is_none()).collect();
        let bytes = different.iter().map(|(_, item)| item.size()).sum();
        let progress = process.progress(format!("to {}", plan.prefix()), bytes);
        let progress = progress.of_files(different.len());
        let before = self.storage.sent();
        let composites = composite::begin(self, &different)?;
        let mut tasks: Vec<_> = composites.iter().flat_map(Composite::parts).collect();
        let whole = different.iter().filter(|(at, _)| !composites.iter().any(|one| one.at == *at));
        tasks.extend(whole.map(|(at, item)| Task::Whole(*at, item)));
        tasks.sort_by_key(|task| std::cmp::Reverse(task.size()));
        let advance = |sent| progress.advance(sent);
        let send = |task| {
            let (at, item, object) = match task {
                Task::Whole(at, item) => (at, item, Some(self.write(item, &advance)?)),
                Task::Part(composite, index) => {
                    (composite.at, composite.item, composite.send(index, &advance)?)
                }
            };
            if let Some(object) = &object {
                progress.file_done();
                debug!("wrote {} (generation {})", item.uri(), object.generation);
            }
            Ok(object.map(|object| (at, object.generation)))
        };
        let written = self.until_one_fails(tasks, jobs, send);
        composite::end(self, &composites, written.as_ref().err());
        for (at, generation) in written?.into_iter().flatten() {
            generations[at] = Some(generation);
        }
        let here = || different.iter().map(|(_, item)| item).filter(|item| item.is_here());
        let (count, whole) = (here().count(), here().map(|item| item.size()).sum::<u64>());
        let bytes = self.storage.sent() - before;
        Ok(Sent {
            generations,
            count,
            bytes,
            spared: whole.saturating_sub(bytes),
            copied: different.len() - count,
        })
    }

    /// What fails for good is not to be heard of only when the others, which may
    /// take hours, are done: they end, and the next run goes on with them.
    fn until_one_fails<'t, T: Send>(
        &self,
        tasks: Vec<Task<'t>>,
        jobs: usize,
        work: impl Fn(Task<'t>) -> Result<T, Failure> + Sync,
    ) -> Result<Vec<T>, Failure> {
        let first = OnceLock::new();
        let sent = transport::for_each(tasks, jobs, |task| {
            work(task).map_err(|failure| {
                let _ = first.set(failure);
                self.storage.stop();
            })
        });
        sent.map_err(|()| first.into_inner().expect("what failed"))
    }

    /// The generation that is there, if it has this content.
    fn same(&self, item: &Item) -> Option<u64> {
        item.is_in(self.there).map(|object| object.generation)
    }

    /// The generation that is there, or 0.
    pub(crate) fn replaces(&self, name: &str) -> u64 {
        self.there.get(name).map_or(0, |object| object.generation)
    }

    fn write(&self, item: &Item, sent: &(dyn Fn(u64) + Sync)) -> Result<ObjectMeta, Failure> {
        let name = item.name();
        let replaces = self.replaces(&name);
        match item.source() {
            Source::File(path) => {
                let insert = item.insert(&name, &path, replaces);
                let written = self.storage.insert(&insert, self.journal, sent);
                written.map_err(|error| not_written(item, error))
            }
            Source::Object { uri, generation } => {
                let rewrite = item.rewrite(&name, uri, generation, replaces);
                let copied = self.storage.rewrite(&rewrite, sent);
                copied.map_err(|error| not_copied(item, uri, error))
            }
        }
    }
}

pub(crate) fn not_written(item: &Item, error: gcp::Error) -> Failure {
    let status = error.status();
    let damaged = error.is_damage();
    let failure = Failure::from(error).context(format!("cannot write '{}'", item.uri()));
    match status {
        _ if damaged => failure.of(Kind::Failed).hint(
            "it was sent as it was hashed, more than once; look at what stands between, \
             such as a proxy",
        ),
        Some(412) => {
            failure.hint("someone else has written it meanwhile; look at it, then run it again")
        }
        Some(403) => failure.hint(grant(item.bucket())),
        _ => failure,
    }
}

fn not_copied(item: &Item, from: &GsUri, error: gcp::Error) -> Failure {
    let status = error.status();
    let failure = Failure::from(error).context(format!("cannot copy '{from}' to '{}'", item.uri()));
    match status {
        Some(404 | 412) => failure.hint(
            "one of the two has been written since it was looked at; run mlf-fetch, aip-bundle \
             and this again",
        ),
        Some(403) => failure
            .hint(format!("grant the caller roles/storage.objectViewer on gs://{}", from.bucket)),
        _ => failure,
    }
}
