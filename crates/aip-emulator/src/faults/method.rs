//! Which API method a request calls, in the names that instructions use.

use axum::http::{Method, Uri};

use crate::{registry, vertex};

/// `*` is one segment. Before the verb of `name:verb` stands `*` as well.
const METHODS: &[(&str, &str, &str)] = &[
    ("storage.buckets.list", "GET", "/storage/v1/b"),
    ("storage.buckets.insert", "POST", "/storage/v1/b"),
    ("storage.buckets.get", "GET", "/storage/v1/b/*"),
    ("storage.buckets.delete", "DELETE", "/storage/v1/b/*"),
    ("storage.buckets.getStorageLayout", "GET", "/storage/v1/b/*/storageLayout"),
    ("storage.objects.list", "GET", "/storage/v1/b/*/o"),
    ("storage.objects.get", "GET", "/storage/v1/b/*/o/*"),
    ("storage.objects.get", "GET", "/download/storage/v1/b/*/o/*"),
    ("storage.objects.delete", "DELETE", "/storage/v1/b/*/o/*"),
    ("storage.objects.patch", "PATCH", "/storage/v1/b/*/o/*"),
    ("storage.objects.update", "PUT", "/storage/v1/b/*/o/*"),
    ("storage.objects.compose", "POST", "/storage/v1/b/*/o/*/compose"),
    ("storage.objects.rewrite", "POST", "/storage/v1/b/*/o/*/rewriteTo/b/*/o/*"),
    ("storage.objects.copy", "POST", "/storage/v1/b/*/o/*/copyTo/b/*/o/*"),
    ("storage.objects.insert", "*", "/upload/storage/v1/b/*/o"),
    ("storage.objects.insert", "*", "/resumable/upload/storage/v1/b/*/o"),
    ("ml.projects.getConfig", "GET", "/v1/projects/*:getConfig"),
    ("ml.projects.predict", "POST", "/v1/projects/*/models/*:predict"),
    ("ml.projects.predict", "POST", "/v1/projects/*/models/*/versions/*:predict"),
    ("ml.projects.models.create", "POST", "/v1/projects/*/models"),
    ("ml.projects.models.list", "GET", "/v1/projects/*/models"),
    ("ml.projects.models.get", "GET", "/v1/projects/*/models/*"),
    ("ml.projects.models.patch", "PATCH", "/v1/projects/*/models/*"),
    ("ml.projects.models.delete", "DELETE", "/v1/projects/*/models/*"),
    ("ml.projects.models.versions.create", "POST", "/v1/projects/*/models/*/versions"),
    ("ml.projects.models.versions.list", "GET", "/v1/projects/*/models/*/versions"),
    ("ml.projects.models.versions.get", "GET", "/v1/projects/*/models/*/versions/*"),
    ("ml.projects.models.versions.patch", "PATCH", "/v1/projects/*/models/*/versions/*"),
    ("ml.projects.models.versions.delete", "DELETE", "/v1/projects/*/models/*/versions/*"),
    (
        "ml.projects.models.versions.setDefault",
        "POST",
        "/v1/projects/*/models/*/versions/*:setDefault",
    ),
    ("ml.projects.operations.list", "GET", "/v1/projects/*/operations"),
    ("ml.projects.operations.get", "GET", "/v1/projects/*/operations/*"),
    ("ml.projects.operations.cancel", "POST", "/v1/projects/*/operations/*:cancel"),
    ("cloudbuild.projects.builds.create", "POST", "/v1/projects/*/builds"),
    ("cloudbuild.projects.builds.create", "POST", "/v1/projects/*/locations/*/builds"),
    ("cloudbuild.projects.builds.list", "GET", "/v1/projects/*/builds"),
    ("cloudbuild.projects.builds.list", "GET", "/v1/projects/*/locations/*/builds"),
    ("cloudbuild.projects.builds.get", "GET", "/v1/projects/*/builds/*"),
    ("cloudbuild.projects.builds.get", "GET", "/v1/projects/*/locations/*/builds/*"),
    ("cloudbuild.projects.builds.cancel", "POST", "/v1/projects/*/builds/*:cancel"),
    ("cloudbuild.projects.builds.cancel", "POST", "/v1/projects/*/locations/*/builds/*:cancel"),
    ("cloudbuild.operations.get", "GET", "/v1/operations/build/*/*"),
    ("oauth2.token", "POST", "/token"),
    ("sts.token", "POST", "/v1/token"),
    (
        "iamcredentials.projects.serviceAccounts.generateAccessToken",
        "POST",
        "/v1/projects/*/serviceAccounts/*:generateAccessToken",
    ),
];

pub(super) fn exists(name: &str) -> bool {
    METHODS.iter().any(|(method, ..)| *method == name)
        || registry::METHODS.contains(&name)
        || vertex::is_method(name)
}

pub(super) fn of(method: &Method, uri: &Uri) -> Option<&'static str> {
    let elsewhere = || {
        let (verb, path) = (method.as_str(), uri.path());
        registry::method(verb, path).or_else(|| vertex::method(verb, path))
    };
    let found = METHODS.iter().find(|(_, verb, pattern)| {
        (*verb == "*" || *verb == method.as_str()) && matches(pattern, uri.path())
    });
    found.map(|(name, ..)| *name).or_else(elsewhere)
}

fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, wanted) = split_verb(pattern);
    let (path, verb) = split_verb(path);
    let same = |(pattern, segment): (&str, &str)| pattern == "*" || pattern == segment;
    wanted == verb
        && pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(same)
}

/// Only ml's paths have verbs; an object's name may hold a colon of its own.
fn split_verb(path: &str) -> (&str, Option<&str>) {
    match path.rsplit_once(':') {
        Some((name, verb)) if path.starts_with("/v1/") && !verb.contains('/') => (name, Some(verb)),
        _ => (path, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_find_their_method() {
        let cases = [
            (Method::PUT, "/upload/storage/v1/b/x/o?upload_id=1", Some("storage.objects.insert")),
            (Method::GET, "/storage/v1/b/x/o/a%2Fb:c?alt=media", Some("storage.objects.get")),
            (Method::GET, "/storage/v1/b/x/o", Some("storage.objects.list")),
            (Method::POST, "/v1/projects/p/models/m:predict", Some("ml.projects.predict")),
            (Method::POST, "/v1/projects/p/models", Some("ml.projects.models.create")),
            (
                Method::POST,
                "/v1/projects/p/models/m/versions/v:setDefault",
                Some("ml.projects.models.versions.setDefault"),
            ),
            (Method::PUT, "/artifacts-uploads/a/b/uploads/1?digest=x", Some("docker.blobs.upload")),
            (
                Method::GET,
                "/ui/projects/p/locations/l/operations/1",
                Some("aiplatform.projects.locations.operations.get"),
            ),
            (Method::GET, "/v1/projects/p/models/m:predict", None),
            (Method::GET, "/", None),
        ];
        for (method, uri, expected) in cases {
            assert_eq!(of(&method, &uri.parse().unwrap()), expected, "{method} {uri}");
        }
        assert!(exists("ml.projects.operations.get") && !exists("storage.objects.explode"));
    }
}
