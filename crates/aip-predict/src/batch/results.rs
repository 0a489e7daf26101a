//! What came of a job: its record, and its files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use aip::Options;
use gcp::Credentials;
use gcp::storage::{GsUri, ObjectMeta, Storage};
use log::{info, warn};
use serde_json::{Value, json};
use stage::{Failure, Output, Process};

use super::Args;
use super::object::Content;

/// A job's record in short. Counts are numbers here, and strings to the API.
pub(super) fn summary(name: &str, job: &Value) -> Value {
    let count = |key: &str| {
        let count = job["completionStats"][key].as_str().and_then(|text| text.parse::<i64>().ok());
        count.map_or(Value::Null, Value::from)
    };
    let mut summary = json!({
        "name": name,
        "state": job["state"],
        "outputDirectory": job["outputInfo"]["gcsOutputDirectory"],
        "counts": {
            "successful": count("successfulCount"),
            "failed": count("failedCount"),
            "incomplete": count("incompleteCount"),
        },
    });
    if job["partialFailures"].is_array() {
        summary["partialFailures"] = job["partialFailures"].clone();
    }
    summary
}

/// Says what came of it, and brings it where that is asked for.
pub(super) fn deliver(
    process: &Process,
    options: &Options,
    args: &Args,
    name: &str,
    job: &Value,
) -> Result<Output, Failure> {
    let summary = summary(name, job);
    let directory = job["outputInfo"]["gcsOutputDirectory"].as_str().unwrap_or_default();
    info!("the predictions are in {directory}");
    let failed = summary["counts"]["failed"].as_i64().unwrap_or(0);
    if failed > 0 {
        warn!("{failed} instances have no prediction; the errors files in {directory} say why");
    }
    if args.download.is_none() && args.output_file.is_none() {
        return Ok(Output::Json(summary));
    }
    let credentials = Arc::new(Credentials::new(options.access_token_file.clone()));
    let results = Results::find(Storage::new(gcp::storage_endpoint(), credentials), directory)?;
    if let Some(to) = &args.download {
        results.download(process, to)?;
    }
    match args.output_file.as_deref() {
        Some("-") => {
            results.join(process, &mut io::stdout().lock())?;
            return Ok(Output::Streamed);
        }
        Some(file) => results.join_into(process, Path::new(file))?,
        None => {}
    }
    Ok(Output::Json(summary))
}

/// The files of a job's directory.
struct Results {
    storage: Storage,
    bucket: String,
    /// Ends in a slash.
    prefix: String,
    objects: Vec<ObjectMeta>,
}

impl Results {
    fn find(storage: Storage, directory: &str) -> Result<Self, Failure> {
        let cannot = || format!("cannot bring the results in '{directory}'");
        let uri: GsUri = directory.parse().map_err(|error| {
            Failure::failed(cannot()).cause(&error as &gcp::storage::GsUriError)
        })?;
        let prefix = format!("{}/", uri.name.trim_end_matches('/'));
        let objects = storage
            .list(&uri.bucket, &prefix)
            .map_err(|error| Failure::from(error).context(cannot()))?;
        let objects = objects.into_iter().filter(|object| !object.name.ends_with('/')).collect();
        Ok(Self { storage, bucket: uri.bucket, prefix, objects })
    }

    fn predictions(&self) -> impl Iterator<Item = &ObjectMeta> {
        self.objects.iter().filter(|object| is_predictions(&object.name))
    }

    /// Each under a temporary name first, so that none is there in half.
    fn download(&self, process: &Process, to: &Path) -> Result<(), Failure> {
        let failed = |path: &Path, error: io::Error| {
            Failure::failed(format!("cannot write '{}'", path.display())).cause(&error)
        };
        let bytes = self.objects.iter().map(|object| object.size).sum();
        let progress = process.progress("results", bytes);
        for object in &self.objects {
            let name = object.name.strip_prefix(&self.prefix).unwrap_or(&object.name);
            // Nothing leaves the directory, whatever an object is called.
            let name: Vec<_> =
                name.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
            let path = name.iter().fold(to.to_path_buf(), |path, part| path.join(part));
            let parent = path.parent().unwrap_or(to);
            fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
            self.write_file(std::iter::once(object), &path)?;
            progress.advance(object.size);
        }
        info!("{} files are in '{}'", self.objects.len(), to.display());
        Ok(())
    }

    fn join_into(&self, process: &Process, path: &Path) -> Result<(), Failure> {
        let _progress = process.waiting("results");
        self.write_file(self.predictions(), path)?;
        info!("the predictions are in '{}'", path.display());
        Ok(())
    }

    fn join(&self, process: &Process, sink: &mut dyn Write) -> Result<(), Failure> {
        let _progress = process.waiting("results");
        self.copy(self.predictions(), sink)?;
        sink.flush()
            .map_err(|error| Failure::failed("cannot write predictions to stdout").cause(&error))
    }

    fn write_file<'a>(
        &'a self,
        objects: impl Iterator<Item = &'a ObjectMeta>,
        path: &Path,
    ) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure::failed(format!("cannot write '{}'", path.display())).cause(&error)
        };
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = Path::new(&part);
        let written = File::create_new(part).map_err(failed).and_then(|file| {
            let mut file = BufWriter::new(file);
            self.copy(objects, &mut file)?;
            file.flush().map_err(failed)
        });
        let done = written.and_then(|()| fs::rename(part, path).map_err(failed));
        if done.is_err() {
            // What is left of it is of no use; that it cannot be removed changes nothing.
            let _ = fs::remove_file(part);
        }
        done
    }

    fn copy<'a>(
        &'a self,
        objects: impl Iterator<Item = &'a ObjectMeta>,
        sink: &mut dyn Write,
    ) -> Result<(), Failure> {
        for object in objects {
            Content::new(&self.storage, &self.bucket, object).copy(sink)?;
        }
        Ok(())
    }
}

/// `predictions_0001.jsonl` by the reference; for custom containers the engine
/// writes `prediction.results-00000-of-00001`.
fn is_predictions(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    file.starts_with("predictions_") || file.starts_with("prediction.results")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_in_short() {
        let job = json!({"state": "JOB_STATE_SUCCEEDED", "displayName": "j",
            "completionStats": {"successfulCount": "149", "failedCount": "1"},
            "outputInfo": {"gcsOutputDirectory": "gs://b/out/prediction-iris-1"}});
        assert_eq!(
            summary("projects/p/locations/l/batchPredictionJobs/7", &job),
            json!({"name": "projects/p/locations/l/batchPredictionJobs/7",
                "state": "JOB_STATE_SUCCEEDED",
                "outputDirectory": "gs://b/out/prediction-iris-1",
                "counts": {"successful": 149, "failed": 1, "incomplete": null}})
        );
    }

    #[test]
    fn predictions_have_two_names() {
        assert!(is_predictions("out/p/predictions_0001.jsonl"));
        assert!(is_predictions("out/p/prediction.results-00000-of-00001"));
        for other in ["out/p/errors_0001.jsonl", "prediction.errors_stats-00000-of-00001", "x"] {
            assert!(!is_predictions(other), "{other}");
        }
    }
}
