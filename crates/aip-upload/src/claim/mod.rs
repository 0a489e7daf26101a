//! Who is writing to a version's place.
//!
//! ```text
//! gs://BUCKET/ROUTE/VERSION/.upload    an upload is under way
//! ```
//!
//! It is written before the first file and removed after the last. So what lies
//! there without it is whole, and may be what a version answers with. Its text
//! names what is being written by digest; a listing tells size and sum of it, and
//! no more is needed to know one's own.

mod ground;
mod mark;

use deployment::Kind;
use gcp::storage::{ObjectMeta, Storage};
use log::warn;
use stage::Failure;

use crate::plan::Plan;
use crate::reach::grant;
use crate::there::There;
use ground::is_done;

pub(crate) use ground::check;
pub(crate) use mark::Mark;

pub(crate) const MARK: &str = ".upload";

/// What an upload holds while it writes.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    storage: &'a Storage,
    plan: &'a Plan<'a>,
    mark: ObjectMeta,
    /// From another upload, which may be writing yet.
    is_taken_over: bool,
}

impl<'a> Claim<'a> {
    /// Takes the place in the state in which it was seen. Nothing where there is
    /// nothing to be written.
    pub(crate) fn take(
        storage: &'a Storage,
        plan: &'a Plan<'a>,
        there: &There,
    ) -> Result<Option<Self>, Failure> {
        let mark = Mark::of(plan);
        let before = mark.seen(there);
        if before.is_none() && is_done(plan, there) {
            return Ok(None);
        }
        if let Some(own) = before.filter(|before| mark.is(before)) {
            return Ok(Some(Self { storage, plan, mark: own.clone(), is_taken_over: false }));
        }
        let mark = write(storage, plan, &mark, before)?;
        // Another may have come and gone between the look and the mark.
        if before.is_none() && has_come(plan, there, &There::listed(storage, plan)?) {
            if let Err(error) = storage.delete(&plan.bucket, &mark) {
                warn!("'gs://{}/{}' stays: {error}", plan.bucket, mark.name);
            }
            return Err(lost(plan));
        }
        Ok(Some(Self { storage, plan, mark, is_taken_over: before.is_some() }))
    }

    /// All is written. Whoever took the place meanwhile may have written over it,
    /// and then nothing has been uploaded.
    pub(crate) fn release(self) -> Result<(), Failure> {
        let Self { storage, plan, mark, is_taken_over } = self;
        let is_whole = || Ok::<_, Failure>(is_done(plan, &There::listed(storage, plan)?));
        let is_ours = match storage.remove(&plan.bucket, &mark) {
            // Whose place it was learns of it only at the end.
            Ok(true) if is_taken_over => is_whole()?,
            Ok(true) => true,
            // Another run of the same was done earlier, or somebody else's.
            Ok(false) => is_whole()?,
            Err(error) if error.status() == Some(412) => false,
            // A bucket that makes objects stay; or a caller who may not remove.
            Err(error) if error.status() == Some(403) => {
                let now = storage.get(&plan.bucket, &mark.name)?;
                let stays = now.is_some_and(|now| now.generation == mark.generation);
                if stays {
                    warn!("'gs://{}/{}' stays: {error}", plan.bucket, mark.name);
                }
                stays
            }
            Err(error) => {
                let doing = format!("cannot remove 'gs://{}/{}'", plan.bucket, mark.name);
                return Err(Failure::from(error).context(doing).hint("run the same command again"));
            }
        };
        if is_ours { Ok(()) } else { Err(lost(plan)) }
    }
}

fn write(
    storage: &Storage,
    plan: &Plan,
    mark: &Mark,
    before: Option<&ObjectMeta>,
) -> Result<ObjectMeta, Failure> {
    let insert = mark.insert(before.map_or(0, |before| before.generation));
    storage.insert(&insert, None, &|_| ()).map_err(|error| match error.status() {
        Some(412) => lost(plan),
        status => {
            let doing = format!("cannot write to '{}'", plan.prefix());
            let failure = Failure::from(error).context(doing);
            if status == Some(403) { failure.hint(grant(&plan.bucket)) } else { failure }
        }
    })
}

/// Whether there is content now that was not there before, nor is this plan's.
fn has_come(plan: &Plan, before: &There, now: &There) -> bool {
    let is_same = |now: &ObjectMeta| {
        before.get(&now.name).is_some_and(|before| before.generation == now.generation)
    };
    let is_ours = |now: &ObjectMeta| plan.get(&now.name).is_some_and(|item| item.is(now));
    now.iter().any(|now| plan.is_content(&now.name) && !is_same(now) && !is_ours(now))
}

fn lost(plan: &Plan) -> Failure {
    let message = format!("another upload to '{}' has begun meanwhile", plan.prefix());
    Failure::new(Kind::Refused, message)
        .http_status(409)
        .hint("let only one of them go there; when it has ended, run the same command again")
}
