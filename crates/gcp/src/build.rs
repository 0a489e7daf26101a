//! Cloud Build, v1: an image from a Dockerfile.
//!
//! Protocol: the discovery document cloudbuild.v1. Filters as gcloud writes
//! them (`api_lib/cloudbuild/filter_rewrite.py`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Request;

/// Google's own image with the Docker command in it.
const BUILDER: &str = "gcr.io/cloud-builders/docker";

/// A Dockerfile's build and the image that comes of it.
#[derive(Clone, Debug)]
pub struct Build<'a> {
    /// The archive with the Dockerfile in it.
    pub bucket: &'a str,
    pub object: &'a str,
    /// Absent in a dry run.
    pub generation: Option<u64>,
    /// With its tag.
    pub image: String,
    pub tags: &'a [String],
    pub timeout: Duration,
    /// `projects/P/serviceAccounts/EMAIL`; else the project's own for builds.
    pub service_account: Option<&'a str>,
}

/// What a build's record says.
#[derive(Debug, PartialEq)]
pub enum BuildState {
    /// With the service's word for it.
    Running(String),
    /// With the image's digest.
    Done {
        digest: String,
    },
    Failed {
        status: String,
        detail: Option<String>,
        kind: Option<String>,
    },
}

/// Begins it; `location` is `projects/P/locations/L`. Answered with an
/// operation. A request that was sent twice begins two builds, which costs
/// some minutes of a machine and does no harm: both give the same image.
pub fn create(location: &str, build: &Build) -> Request {
    let mut source = json!({"bucket": build.bucket, "object": build.object});
    if let Some(generation) = build.generation {
        source["generation"] = generation.to_string().into();
    }
    let mut body = json!({
        "source": {"storageSource": source},
        "steps": [{"name": BUILDER, "args": ["build", "--platform=linux/amd64", "--tag", &build.image, "."]}],
        "images": [build.image],
        "tags": build.tags,
        "timeout": format!("{}s", build.timeout.as_secs()),
        // All that a service account of the user's may do without a bucket
        // for logs.
        "options": {"logging": "CLOUD_LOGGING_ONLY"},
    });
    if let Some(account) = build.service_account {
        body["serviceAccount"] = account.into();
    }
    Request::new("POST", format!("/v1/{location}/builds")).json(&body)
}

/// The builds with this tag, the latest first.
pub fn tagged(location: &str, tag: &str) -> Request {
    Request::new("GET", format!("/v1/{location}/builds")).query("filter", format!("tags=\"{tag}\""))
}

/// The build that an operation is of: `projects/P/locations/L/builds/ID`.
pub fn name_in(location: &str, operation: &Value) -> Option<String> {
    name_of(location, &operation["metadata"]["build"])
}

/// A build's name; records from the time before locations have the id alone.
pub fn name_of(location: &str, build: &Value) -> Option<String> {
    let id = build["id"].as_str().filter(|id| !id.is_empty())?;
    Some(format!("{location}/builds/{id}"))
}

/// How far the build of this image is.
pub fn state(build: &Value, image: &str) -> BuildState {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let status = text(&build["status"]).unwrap_or_else(|| "STATUS_UNKNOWN".into());
    match status.as_str() {
        "STATUS_UNKNOWN" | "PENDING" | "QUEUED" | "WORKING" => BuildState::Running(status),
        "SUCCESS" => {
            let images = build["results"]["images"].as_array().map(Vec::as_slice);
            let mut images = images.unwrap_or_default().iter();
            let ours = images.find(|one| one["name"] == image);
            match ours.and_then(|ours| text(&ours["digest"])) {
                Some(digest) => BuildState::Done { digest },
                None => BuildState::Failed {
                    status,
                    detail: Some(format!("its results do not name '{image}'")),
                    kind: None,
                },
            }
        }
        _ => BuildState::Failed {
            status,
            detail: text(&build["failureInfo"]["detail"]).or_else(|| text(&build["statusDetail"])),
            kind: text(&build["failureInfo"]["type"]),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_pins_its_source() {
        let build = Build {
            bucket: "b",
            object: "o.tar.gz",
            generation: Some(7),
            image: "h/r/i:v1".into(),
            tags: &["context-1".into()],
            timeout: Duration::from_secs(1800),
            service_account: Some("projects/p/serviceAccounts/a@b"),
        };
        let request = create("projects/p/locations/l", &build);
        let body: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
        assert_eq!(request.path, "/v1/projects/p/locations/l/builds");
        assert_eq!(body["source"]["storageSource"]["generation"], "7");
        assert_eq!(body["images"], json!(["h/r/i:v1"]));
        assert_eq!(
            (&body["timeout"], &body["options"]["logging"]),
            (&json!("1800s"), &json!("CLOUD_LOGGING_ONLY"))
        );
        assert_eq!(tagged("l", "t").query, [("filter", "tags=\"t\"".into())]);
    }

    #[test]
    fn what_a_record_says() {
        let state = |build: Value| state(&build, "h/i:v1");
        assert_eq!(state(json!({"status": "WORKING"})), BuildState::Running("WORKING".into()));
        let done = json!({"status": "SUCCESS", "results": {"images": [
            {"name": "h/other:v1", "digest": "sha256:0"}, {"name": "h/i:v1", "digest": "sha256:1"}]}});
        assert_eq!(state(done), BuildState::Done { digest: "sha256:1".into() });
        assert!(matches!(state(json!({"status": "SUCCESS"})), BuildState::Failed { .. }));
        let failed = json!({"status": "FAILURE", "statusDetail": "s",
            "failureInfo": {"type": "PUSH_FAILED", "detail": "d"}});
        assert_eq!(
            state(failed),
            BuildState::Failed {
                status: "FAILURE".into(),
                detail: Some("d".into()),
                kind: Some("PUSH_FAILED".into())
            }
        );
        let operation = json!({"metadata": {"build": {"id": "1-2"}}});
        assert_eq!(
            name_in("projects/p/locations/l", &operation).unwrap(),
            "projects/p/locations/l/builds/1-2"
        );
    }
}
