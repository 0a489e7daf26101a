//! What lies in the bucket and serves no version any more.

mod places;
mod used;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gcp::Credentials;
use gcp::storage::{ObjectMeta, Storage};
use log::{info, warn};
use serde_json::{Value, json};
use stage::{Failure, Output, Process, settings};

use places::{Folder, folders};
use used::Services;

use crate::reach::Headers;

/// What the services said holds for so long.
const FRESH: Duration = Duration::from_secs(30);

/// Remove objects below the route that no version at the service uses
///
/// Looks only: what would go is on stdout, and goes with --delete. All versions
/// of Vertex AI in the region, and of AI Platform where it is still spoken, are
/// asked which objects they name; versions in other regions that share the
/// bucket must be named with --other-region. A version's folder goes as a whole
/// or stays; what does not look like one of aip-upload's stays as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aip-upload prune --project acme --bucket acme-models --route iris
  aip-upload prune --document 3-upload.json --delete
  aip-upload prune --document 3-upload.json --min-age 7d --other-region us-east1 --delete")]
pub(crate) struct Args {
    #[command(flatten)]
    names: aip::Names,

    /// Cloud Storage bucket [env: production_bucket]
    #[arg(long)]
    bucket: Option<String>,

    /// Prefix in the bucket; without it, the model's name [env: production_route]
    #[arg(long, value_name = "PREFIX")]
    route: Option<String>,

    /// Remove it. Without this, nothing is changed
    #[arg(long)]
    delete: bool,

    /// What is younger stays: its version may be about to be made
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = age)]
    min_age: Duration,

    /// Another region of Vertex AI whose versions use this bucket; may be given
    /// again
    #[arg(long, value_name = "REGION")]
    other_region: Vec<String>,

    #[command(flatten)]
    headers: Headers,

    #[command(flatten)]
    place: aip::Options,
}

/// `90m`, `24h`, `7d`.
fn age(text: &str) -> Result<Duration, String> {
    let error = || format!("'{text}' is not a time: a number and one of s, m, h and d");
    let unit = text.chars().next_back().ok_or_else(error)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(error()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| error())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(error)
}

/// One run.
struct Prune<'a> {
    args: &'a Args,
    storage: Storage,
    services: Services,
    bucket: String,
    /// Ends with a slash.
    route: String,
}

pub(crate) fn run(process: &Process, args: &Args) -> Result<Output, Failure> {
    let mut document = args.names.read(process)?;
    let spec = &mut document.spec;
    let bucket = settings::bucket(args.bucket.clone(), &mut spec.bucket)?;
    let bucket = bucket.ok_or_else(|| settings::BUCKET.missing())?;
    settings::MODEL.resolve(args.place.model.clone(), &mut spec.model, None)?;
    let default = spec.model.clone();
    let route = settings::route(args.route.clone(), &mut spec.route, default)?;
    let route = route.unwrap_or_default();
    let parts: Vec<_> = route.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(settings::ROUTE.missing());
    }
    let credentials = Arc::new(Credentials::new(args.place.access_token_file.clone()));
    let delete = args.delete && !spec.dry_run;
    let prune = Prune {
        args,
        storage: args.headers.storage(credentials)?,
        services: Services::new(&args.place, spec, &args.other_region)?,
        bucket,
        route: format!("{}/", parts.join("/")),
    };
    prune.run(delete)
}

impl Prune<'_> {
    /// The bucket is looked at first: what is made after that is not seen, and
    /// so not removed.
    fn run(&self, delete: bool) -> Result<Output, Failure> {
        let objects = self.storage.list_dated(&self.bucket, &self.route).map_err(|error| {
            Failure::from(error).context(format!("cannot look at bucket '{}'", self.bucket))
        })?;
        let (folders, others) = folders(&self.route, objects);
        let mut asked = Instant::now();
        let mut used = self.services.used(&self.bucket)?;
        let (mut unused, mut kept, mut removed) = (Vec::new(), Vec::new(), 0);
        for folder in &folders {
            let mut reason = self.reason_to_keep(folder, &used);
            if delete && reason.is_none() && asked.elapsed() > FRESH {
                asked = Instant::now();
                used = self.services.used(&self.bucket)?;
                reason = self.reason_to_keep(folder, &used);
            }
            if let Some(reason) = reason {
                kept.push(json!({"uri": self.uri(folder), "reason": reason}));
                continue;
            }
            unused.push(json!({
                "uri": self.uri(folder),
                "objects": folder.objects.len(),
                "bytes": folder.size(),
            }));
            if delete {
                removed += self.remove(&folder.objects)?;
            }
        }
        self.say(&unused, delete, removed);
        Ok(Output::Json(json!({
            "bucket": self.bucket,
            "route": self.route,
            "unused": unused,
            "kept": kept,
            "others": others,
            "deleted": delete,
            "objectsDeleted": removed,
        })))
    }

    fn uri(&self, folder: &Folder) -> String {
        format!("gs://{}/{}", self.bucket, folder.prefix)
    }

    fn reason_to_keep(&self, folder: &Folder, used: &[String]) -> Option<&'static str> {
        let is_young = folder.youngest().is_none_or(|then| {
            SystemTime::now().duration_since(then).is_ok_and(|age| age < self.args.min_age)
                // A clock that is behind makes nothing old.
                || then > SystemTime::now()
        });
        let is_used = !folder.is_leftover
            && used.iter().any(|uri| {
                uri.starts_with(&folder.prefix) || folder.prefix.starts_with(uri.as_str())
            });
        if is_used {
            Some("used by a version")
        } else if is_young {
            Some("too young")
        } else {
            None
        }
    }

    /// Each in the generation that was seen; what was written again stays.
    fn remove(&self, objects: &[ObjectMeta]) -> Result<usize, Failure> {
        let removed = transport::for_each(objects.iter().collect(), 32, |object| {
            match self.storage.delete(&self.bucket, object) {
                Err(error) if error.status() == Some(412) => {
                    warn!("'gs://{}/{}' was written meanwhile: it stays", self.bucket, object.name);
                    Ok(0)
                }
                Err(error) => Err(Failure::from(error)
                    .context(format!("cannot remove 'gs://{}/{}'", self.bucket, object.name))),
                Ok(()) => Ok(1),
            }
        })?;
        Ok(removed.into_iter().sum())
    }

    fn say(&self, unused: &[Value], delete: bool, removed: usize) {
        let place = format!("gs://{}/{}", self.bucket, self.route);
        if delete {
            let noun = if removed == 1 { "object" } else { "objects" };
            info!("{removed} {noun} removed from '{place}'");
        } else if unused.is_empty() {
            info!("everything below '{place}' is used, young, or not ours");
        } else {
            let what = match unused.len() {
                1 => "1 folder".to_owned(),
                count => format!("{count} folders"),
            };
            info!("unused below '{place}': {what}, for --delete to remove");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        assert_eq!(age("90m").unwrap(), Duration::from_secs(5400));
        assert_eq!(age("7d").unwrap(), Duration::from_secs(7 * 24 * 3600));
        for bad in ["", "5", "h", "-1h", "1w", "1é", "99999999999999999999d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
