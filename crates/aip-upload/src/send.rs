//! Bringing the bucket to what the plan says.

use std::collections::HashMap;

use deployment::{Kind, Object};
use gcp::storage::{Journal, ObjectMeta, Storage};
use log::{debug, info};
use stage::{Failure, Process};

use crate::plan::{Item, Plan};

/// What was there before, by name.
pub(crate) type There = HashMap<String, ObjectMeta>;

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) objects: Vec<Object>,
    pub(crate) count: usize,
    pub(crate) bytes: u64,
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
            Some(403) => {
                failure.hint(format!("grant the caller roles/storage.objectUser on gs://{bucket}"))
            }
            _ => failure,
        }
    })?;
    Ok(objects.into_iter().map(|object| (object.name.clone(), object)).collect())
}

/// Objects among the model's that are not the model's: left from another upload
/// under the same name, they would be served with it.
pub(crate) fn extra(
    storage: &Storage,
    plan: &Plan,
    there: &There,
    delete: bool,
) -> Result<(), Failure> {
    let planned: std::collections::HashSet<_> =
        plan.items.iter().map(|item| item.name.as_str()).collect();
    let mut extra: Vec<_> = there
        .values()
        .filter(|object| object.name.starts_with(&plan.model_prefix))
        .filter(|object| !planned.contains(object.name.as_str()))
        .collect();
    extra.sort_by(|a, b| a.name.cmp(&b.name));
    let Some(first) = extra.first() else { return Ok(()) };
    if !delete {
        let message = format!(
            "'gs://{}/{}' holds {} objects that are not part of the model, such as '{}'",
            plan.bucket,
            plan.model_prefix,
            extra.len(),
            first.name
        );
        return Err(Failure::failed(message)
            .hint("remove them with --delete-extra, or choose another --route or version name"));
    }
    for object in &extra {
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
}

impl<'a> Sender<'a> {
    /// Sends what differs, the largest first, so that none is left to go alone.
    pub(crate) fn all(&self, jobs: usize) -> Result<Sent, Failure> {
        let Self { process, plan, there, .. } = *self;
        let mut different: Vec<_> =
            plan.items.iter().filter(|item| self.same(item).is_none()).collect();
        different.sort_by_key(|item| std::cmp::Reverse(item.size));
        let bytes = different.iter().map(|item| item.size).sum();
        let count = different.len();
        let progress = process.progress(format!("to {}", plan.prefix()), bytes).of_files(count);
        let written = transport::for_each(different, jobs, |item| {
            let replaces = there.get(&item.name).map_or(0, |object| object.generation);
            let object = self.write(item, replaces, &|sent| progress.advance(sent))?;
            progress.file_done();
            debug!("wrote {} (generation {})", item.uri(), object.generation);
            Ok::<_, Failure>((item.name.clone(), object))
        })?;
        let written: There = written.into_iter().collect();
        let now = |item: &Item| written.get(&item.name).or_else(|| self.same(item));
        let objects =
            plan.items.iter().map(|item| item.object(now(item).map(|object| object.generation)));
        Ok(Sent { objects: objects.collect(), count, bytes })
    }

    /// The object that is there, if it has this content.
    fn same(&self, item: &Item) -> Option<&'a ObjectMeta> {
        self.there.get(&item.name).filter(|object| object.holds(item.size, &item.crc32c))
    }

    fn write(
        &self,
        item: &Item,
        replaces: u64,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<ObjectMeta, Failure> {
        self.storage.insert(&item.insert(replaces), self.journal, sent).map_err(|error| {
            let status = error.status();
            // The service's word for content that is not what was announced.
            let mismatch = error.to_string().contains("doesn't match calculated");
            let failure = Failure::from(error).context(format!("cannot write '{}'", item.uri()));
            match status {
                Some(400) if mismatch => failure.of(Kind::Failed).hint(format!(
                    "'{}' may have changed since it was fetched; run mlf-fetch and aip-bundle again",
                    item.path.display()
                )),
                Some(412) => failure
                    .hint("someone else has written it meanwhile; look at it, then run it again"),
                _ => failure,
            }
        })
    }
}
