//! What lies in the bucket before anything is written.

use gcp::storage::{ObjectMeta, Storage};
use stage::Failure;

use crate::plan::Plan;
use crate::reach::grant;

/// In the order of the names.
#[derive(Debug, Default)]
pub(crate) struct There(Vec<ObjectMeta>);

impl There {
    /// One listing instead of a question for each file.
    pub(crate) fn listed(storage: &Storage, plan: &Plan) -> Result<Self, Failure> {
        let objects = storage.list(&plan.bucket, &plan.prefix).map_err(|error| {
            let bucket = &plan.bucket;
            let status = error.status();
            let failure =
                Failure::from(error).context(format!("cannot upload to bucket '{bucket}'"));
            match status {
                Some(404) => failure
                    .hint(format!("make the bucket: gcloud storage buckets create gs://{bucket}")),
                Some(403) => failure.hint(grant(bucket)),
                _ => failure,
            }
        })?;
        Ok(objects.into())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&ObjectMeta> {
        let found = self.0.binary_search_by(|object| object.name.as_str().cmp(name));
        found.ok().map(|index| &self.0[index])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ObjectMeta> {
        self.0.iter()
    }
}

impl From<Vec<ObjectMeta>> for There {
    fn from(mut objects: Vec<ObjectMeta>) -> Self {
        // As the service does.
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        objects.shrink_to_fit();
        Self(objects)
    }
}
