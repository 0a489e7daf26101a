//! What the versions at the services name.

use aip::{Options, Place};
use deployment::{Spec, Target};
use gcp::vertex::list_versions;
use gcp::{Request, Service};
use serde_json::Value;
use stage::{Failure, settings};

/// The states in which a batch job reads nothing any more.
const ENDED: [&str; 5] = [
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
];

/// How a bucket's objects are named: by its address, and by where Vertex AI has
/// Cloud Storage FUSE mount it in containers.
const PLACES: [&str; 2] = ["gs://", "/gcs/"];

/// All that may use objects of the bucket.
pub(super) struct Services(Vec<Place>);

impl Services {
    /// Vertex AI in each region. AI Platform has been shut down, and is asked
    /// where it is the target or somewhere else.
    pub(super) fn new(
        options: &Options,
        spec: &mut Spec,
        other_regions: &[String],
    ) -> Result<Self, Failure> {
        let first = options.service(spec)?;
        let target = first.target();
        let at = |target, region: Option<&String>| {
            let mut options = Options {
                target: Some(target),
                regional_endpoint: false,
                endpoint_id: None,
                ..options.clone()
            };
            if let Some(region) = region {
                options.region = Some(region.clone());
            }
            options.service(&mut spec.clone())
        };
        let mut places = vec![first];
        if target == Target::AiPlatform {
            places.push(at(Target::Vertex, None)?);
        } else if settings::env("CLOUDSDK_API_ENDPOINT_OVERRIDES_ML").is_some() {
            places.push(at(Target::AiPlatform, None)?);
        }
        for region in other_regions {
            places.push(at(Target::Vertex, Some(region))?);
        }
        Ok(Self(places))
    }

    /// The names in this bucket, and prefixes of names, that versions name in
    /// any field. If one service cannot be asked, nothing is known to be unused.
    pub(super) fn used(&self, bucket: &str) -> Result<Vec<String>, Failure> {
        let mut used = Vec::new();
        for place in &self.0 {
            let versions = match place {
                Place::Vertex(place) => vertex(&place.service, &place.location_name()),
                Place::AiPlatform(place) => ai_platform(&place.service, &place.project_name()),
            };
            let versions = versions.map_err(|error| {
                let target = place.target();
                Failure::from(error)
                    .context(format!("cannot tell what the versions of target '{target}' use"))
            })?;
            for version in &versions {
                collect(version, bucket, &mut used);
            }
        }
        Ok(used)
    }
}

fn vertex(service: &Service, location: &str) -> Result<Vec<Value>, gcp::Error> {
    let mut found = Vec::new();
    for model in service.list(location, "models")? {
        let name = model["name"].as_str().unwrap_or_default();
        let name = name.split('@').next().unwrap_or_default();
        match service.all(list_versions(name), "models") {
            Err(error) if error.status() == Some(404) => {}
            versions => found.extend(versions?),
        }
        found.push(model);
    }
    let jobs = service.list(location, "batchPredictionJobs")?;
    let runs = |job: &Value| !job["state"].as_str().is_some_and(|state| ENDED.contains(&state));
    found.extend(jobs.into_iter().filter(runs));
    Ok(found)
}

fn ai_platform(service: &Service, project: &str) -> Result<Vec<Value>, gcp::Error> {
    let mut found = Vec::new();
    for model in service.all(Request::new("GET", format!("/v1/{project}/models")), "models")? {
        let name = model["name"].as_str().unwrap_or_default();
        match service.list(name, "versions") {
            Err(error) if error.status() == Some(404) => {}
            versions => found.extend(versions?),
        }
    }
    Ok(found)
}

/// Every text of a resource that lies in the bucket, wherever it stands: a
/// container's variables and arguments name objects as well.
fn collect(value: &Value, bucket: &str, used: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for place in PLACES.map(|place| format!("{place}{bucket}")) {
                for (at, _) in text.match_indices(&place) {
                    let name = &text[at + place.len()..];
                    let end = name.find(|c: char| c.is_whitespace() || ",;\"'".contains(c));
                    let name = &name[..end.unwrap_or(name.len())];
                    // Else it is another bucket, whose name goes on. The bucket
                    // alone is all that is in it.
                    if name.is_empty() || name.starts_with('/') {
                        used.push(name.trim_start_matches('/').to_owned());
                    }
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, bucket, used)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, bucket, used)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_counts() {
        let version = json!({
            "artifactUri": "gs://b/iris/v1/model",
            "packageUris": ["gs://b/iris/v1/x.tar.gz", "gs://other/iris/v2/x.tar.gz"],
            "containerSpec": {
                "args": ["--model=gs://b/iris/v3/model,gs://b/iris/v4/model", "/gcs/b2/iris/v9"],
                "command": ["serve", "--path", "/gcs/b/iris/v5/model"],
                "env": [{"name": "P", "value": "/opt:/gcs/b/iris/v6"}],
            },
        });
        let mut used = Vec::new();
        collect(&version, "b", &mut used);
        assert_eq!(
            used,
            [
                "iris/v1/model",
                "iris/v1/x.tar.gz",
                "iris/v3/model",
                "iris/v4/model",
                "iris/v5/model",
                "iris/v6"
            ]
        );
        for whole in ["gs://b", "gs://b/", "/gcs/b", "x=/gcs/b,y"] {
            let mut used = Vec::new();
            collect(&json!(whole), "b", &mut used);
            assert_eq!(used, [""], "{whole}: all of it");
        }
    }
}
