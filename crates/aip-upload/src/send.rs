//! Bringing the bucket to what the plan says.

use std::collections::HashMap;
use std::sync::OnceLock;

use deployment::{Kind, Object};
use gcp::storage::{GsUri, Journal, ObjectMeta, Storage};
use log::{debug, info};
use stage::{Failure, Process};

use crate::composite::{self, Composite};
use crate::plan::{Item, Plan, Source};

/// What was there before, by name.
pub(crate) type There = HashMap<String, ObjectMeta>;

/// What it took.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) objects: Vec<Object>,
    /// From this machine.
    pub(crate) count: usize,
    /// Those that left in this run.
    pub(crate) bytes: u64,
    /// Those that did not have to.
    pub(crate) spared: u64,
    /// Within the service.
    pub(crate) copied: usize,
}

/// One listing instead of a question for each file.
pub(crate) fn listed(storage: &Storage, plan: &Plan) -> Result<There, Failure> {
    let objects = storage.list(&plan.bucket, &plan.prefix).map_err(|error| {
        let bucket = &plan.bucket;
        let status = error.status();
        let failure = Failure::from(error).context(format!("cannot upload to bucket '{bucket}'"));
        match status {
            Some(404) => failure
                .hint(format!("make the bucket: gcloud storage buckets create gs://{bucket}")),
            Some(403) => failure.hint(grant(bucket)),
            _ => failure,
        }
    })?;
    Ok(objects.into_iter().map(|object| (object.name.clone(), object)).collect())
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
    pub(crate) plan: &'a Plan,
    pub(crate) there: &'a There,
    pub(crate) journal: Option<&'a Journal>,
    /// Whether large files go in parts.
    pub(crate) in_parts: bool,
}

/// What one worker does at a time.
enum Task<'a> {
    Whole(&'a Item),
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
            Self::Whole(item) => item.size,
            Self::Part(composite, index) => composite.part_size(*index),
        }
    }
}

impl<'a> Sender<'a> {
    /// Sends what differs, the largest first, so that none is left to go alone.
    pub(crate) fn all(&self, jobs: usize) -> Result<Sent, Failure> {
        let Self { process, plan, .. } = *self;
        let different: Vec<_> =
            plan.items.iter().filter(|item| self.same(item).is_none()).collect();
        let bytes = different.iter().map(|item| item.size).sum();
        let progress = process.progress(format!("to {}", plan.prefix()), bytes);
        let progress = progress.of_files(different.len());
        let before = self.storage.sent();
        let composites = composite::begin(self, &different)?;
        let mut tasks: Vec<_> = composites.iter().flat_map(Composite::parts).collect();
        let whole = different.iter().filter(|item| !composites.iter().any(|c| c.is_of(item)));
        tasks.extend(whole.map(|item| Task::Whole(item)));
        tasks.sort_by_key(|task| std::cmp::Reverse(task.size()));
        let advance = |sent| progress.advance(sent);
        let send = |task| {
            let (item, object) = match task {
                Task::Whole(item) => (item, Some(self.write(item, &advance)?)),
                Task::Part(composite, index) => (composite.item, composite.send(index, &advance)?),
            };
            if let Some(object) = &object {
                progress.file_done();
                debug!("wrote {} (generation {})", item.uri(), object.generation);
            }
            Ok(object.map(|object| (&item.name, object.generation)))
        };
        let written = self.until_one_fails(tasks, jobs, send);
        composite::end(self, &composites, written.as_ref().err());
        let written: HashMap<_, _> = written?.into_iter().flatten().collect();
        let was = |item: &Item| self.same(item).map(|object| object.generation);
        let now = |item: &Item| written.get(&item.name).copied().or_else(|| was(item));
        let objects = plan.items.iter().map(|item| item.object(now(item)));
        let here = different.iter().filter(|item| matches!(item.source, Source::File(_)));
        let count = here.count();
        let whole: u64 = different.iter().map(|item| item.bytes_here()).sum();
        let bytes = self.storage.sent() - before;
        Ok(Sent {
            objects: objects.collect(),
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

    /// The object that is there, if it has this content.
    fn same(&self, item: &Item) -> Option<&'a ObjectMeta> {
        item.is_in(self.there)
    }

    /// The generation that is there, or 0.
    pub(crate) fn replaces(&self, item: &Item) -> u64 {
        self.there.get(&item.name).map_or(0, |object| object.generation)
    }

    fn write(&self, item: &Item, sent: &(dyn Fn(u64) + Sync)) -> Result<ObjectMeta, Failure> {
        let replaces = self.replaces(item);
        match &item.source {
            Source::File(path) => {
                let insert = item.insert(path, replaces);
                let written = self.storage.insert(&insert, self.journal, sent);
                written.map_err(|error| not_written(item, error))
            }
            Source::Object { uri, generation } => {
                let rewrite = item.rewrite(uri, *generation, replaces);
                let copied = self.storage.rewrite(&rewrite, sent);
                copied.map_err(|error| not_copied(item, uri, error))
            }
        }
    }
}

pub(crate) fn grant(bucket: &str) -> String {
    format!("grant the caller roles/storage.objectUser on gs://{bucket}")
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
        Some(403) => failure.hint(grant(&item.bucket)),
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
