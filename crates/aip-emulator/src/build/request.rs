//! What is asked of the service, and what it does not take.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::MAX_TIMEOUT;
use super::record::Record;
use crate::api::refusal::{malformed, unimplemented};
use crate::api::schema::{Schema, seconds};
use crate::error::ApiError;

/// The messages that a build is made of (cloudbuild v1).
static MESSAGES: Schema = Schema::new(include_str!("messages.json"));

/// Unless a page's size is asked for, and at most.
const MAX_PAGE: usize = 1000;

pub(super) fn invalid(why: &str) -> ApiError {
    malformed(&format!("invalid build: {why}"))
}

/// Reads a build by its schema and the rules that hold before it is begun.
pub(super) fn read(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let build = MESSAGES.read("Build", body)?;
    let steps = build.get("steps").and_then(Value::as_array).map(Vec::as_slice);
    let steps = steps.unwrap_or_default();
    if steps.is_empty() {
        return Err(invalid("there are no steps"));
    }
    if steps.iter().any(|step| step["name"].as_str().is_none_or(str::is_empty)) {
        return Err(invalid("a step needs the name of its builder"));
    }
    let limit = build.get("timeout").and_then(Value::as_str).map(seconds);
    if limit.is_some_and(|limit| limit.is_none_or(|limit| limit > MAX_TIMEOUT)) {
        return Err(invalid("timeout must be between 0s and 86400s"));
    }
    check_logging(&build)?;
    if build.get("source").is_none_or(|source| source["storageSource"]["object"].is_null()) {
        return Err(unimplemented("builds of another source than an object in Cloud Storage"));
    }
    Ok(build)
}

/// Where the user's own service account runs a build, somebody must say where
/// its log goes.
fn check_logging(build: &Map<String, Value>) -> Result<(), ApiError> {
    let options = build.get("options").unwrap_or(&Value::Null);
    let is_said = build.contains_key("logsBucket")
        || options["defaultLogsBucketBehavior"] == "REGIONAL_USER_OWNED_BUCKET"
        || ["CLOUD_LOGGING_ONLY", "NONE"].iter().any(|kind| options["logging"] == **kind);
    if !build.contains_key("serviceAccount") || is_said {
        return Ok(());
    }
    Err(malformed(
        "if 'build.service_account' is specified, the build must either (a) specify \
         'build.logs_bucket', (b) use the REGIONAL_USER_OWNED_BUCKET \
         build.options.default_logs_bucket_behavior option, or (c) use either CLOUD_LOGGING_ONLY / \
         NONE logging options",
    ))
}

pub(super) fn timeout(build: &Map<String, Value>) -> Duration {
    let said = build.get("timeout").and_then(Value::as_str).and_then(seconds);
    said.unwrap_or(Duration::from_secs(600))
}

/// A page of builds.
pub(super) fn list(query: &HashMap<String, String>, all: Vec<Record>) -> Result<Value, ApiError> {
    let said = |name: &str| query.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let number = |name: &str| match said(name).map(str::parse::<usize>) {
        None => Ok(0),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(malformed(&format!("Invalid value at '{name}'."))),
    };
    let filter = said("filter").map(Filter::parse).transpose()?;
    let wanted = all.into_iter().filter(|one| filter.as_ref().is_none_or(|f| f.matches(one)));
    let (first, size) = (number("pageToken")?, number("pageSize")?);
    let size = if size == 0 { MAX_PAGE } else { size.min(MAX_PAGE) };
    let mut rest = wanted.skip(first).map(|record| Value::from(record.build));
    let builds: Vec<Value> = rest.by_ref().take(size).collect();
    let mut page = json!({});
    if rest.next().is_some() {
        page["nextPageToken"] = (first + size).to_string().into();
    }
    if !builds.is_empty() {
        page["builds"] = builds.into();
    }
    Ok(page)
}

/// `tags="a"` or `status="SUCCESS"`, and several with AND.
struct Filter(Vec<(String, String)>);

impl Filter {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let terms = text.split(" AND ").map(|term| {
            let (field, value) = term.trim().split_once('=')?;
            let value = value.trim().trim_matches('"');
            let is_known = ["tags", "status"].contains(&field.trim());
            let is_plain = !value.contains([' ', '"', '(', ')']);
            (is_known && is_plain).then(|| (field.trim().to_owned(), value.to_owned()))
        });
        let terms = terms.collect::<Option<Vec<_>>>().map(Self);
        terms.ok_or_else(|| unimplemented(&format!("the filter '{text}' for builds")))
    }

    fn matches(&self, record: &Record) -> bool {
        self.0.iter().all(|(field, wanted)| match record.build.get(field) {
            Some(Value::Array(all)) => all.iter().any(|one| one == wanted),
            Some(one) => one == wanted,
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: &Value) -> String {
        let mut build = json!({
            "steps": [{"name": "gcr.io/cloud-builders/docker"}],
            "source": {"storageSource": {"bucket": "b", "object": "o", "generation": 7}},
        });
        build.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        match read(build.to_string().as_bytes()) {
            Ok(build) => build["source"]["storageSource"]["generation"].to_string(),
            Err(err) => err.message().to_owned(),
        }
    }

    #[test]
    fn every_type_is_described() {
        assert_eq!(MESSAGES.unknown_types(), [""; 0]);
    }

    #[test]
    fn what_is_taken_and_what_is_not() {
        let logged = json!({"serviceAccount": "a", "options": {"logging": "CLOUD_LOGGING_ONLY"}});
        for (change, said) in [
            (json!({}), "\"7\""),
            (logged, "\"7\""),
            (json!({"serviceAccount": "a"}), "(a) specify 'build.logs_bucket'"),
            (json!({"steps": []}), "no steps"),
            (json!({"steps": [{}]}), "name of its builder"),
            (json!({"timeout": "86401s"}), "timeout must be"),
            (json!({"stepz": []}), "Unknown name \"stepz\""),
            (json!({"options": {"logging": "LOUD"}}), "options.logging"),
            (json!({"source": {}}), "does not have builds of another source"),
        ] {
            let found = refused(&change);
            assert!(found.contains(said), "{change}: {found}");
        }
    }

    #[test]
    fn pages_and_filters() {
        let record = |n: usize| {
            let mut record = Record::new("p", "l", &n.to_string(), Map::new());
            record.set("tags", json!([format!("t{}", n % 2)]));
            record
        };
        let ids = |query: &[(&str, &str)]| {
            let query = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            let page = list(&query, (0..5).map(record).collect())?;
            let ids = page["builds"].as_array().into_iter().flatten();
            let ids: Vec<String> = ids.map(|build| build["id"].to_string()).collect();
            Ok::<_, ApiError>((ids.join(""), page["nextPageToken"].clone()))
        };
        assert_eq!(ids(&[("pageSize", "2")]).unwrap(), ("\"0\"\"1\"".into(), "2".into()));
        let last = ids(&[("pageSize", "2"), ("pageToken", "4")]).unwrap();
        assert_eq!(last, ("\"4\"".into(), Value::Null));
        let odd = ids(&[("filter", "tags=\"t1\" AND status=\"QUEUED\"")]).unwrap();
        assert_eq!(odd.0, "\"1\"\"3\"");
        assert!(ids(&[("filter", "create_time>\"2026\"")]).is_err());
    }
}
