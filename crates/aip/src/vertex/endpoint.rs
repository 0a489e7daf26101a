//! An endpoint as the service describes it, with versions by their names.

use gcp::vertex::is_same;
use serde_json::Value;

use crate::vertex::{Place, Split};

/// The API's `Endpoint`.
#[derive(Clone, Debug)]
pub struct Endpoint(pub Value);

/// One of the API's `DeployedModel`s.
#[derive(Clone, Copy, Debug)]
pub struct Deployed<'a>(pub &'a Value);

impl Endpoint {
    pub fn read(place: &Place) -> Result<Self, gcp::Error> {
        place.service.get(&place.endpoint_name()).map(Self)
    }

    /// The oldest first.
    pub fn deployed(&self) -> Vec<Deployed<'_>> {
        let all = self.0["deployedModels"].as_array().into_iter().flatten();
        let mut all: Vec<_> = all.map(Deployed).collect();
        all.sort_by_key(|deployed| deployed.create_time());
        all
    }

    pub fn by_id(&self, id: &str) -> Option<Deployed<'_>> {
        self.deployed().into_iter().find(|deployed| deployed.id() == id)
    }

    /// What is deployed of a version; of several, the newest.
    pub fn by_version(&self, version: &str) -> Option<Deployed<'_>> {
        self.deployed().into_iter().rfind(|deployed| deployed.version() == version)
    }

    pub fn split(&self) -> Split {
        Split::read(&self.0["trafficSplit"])
    }

    pub fn etag(&self) -> Option<&str> {
        self.0["etag"].as_str()
    }
}

impl<'a> Deployed<'a> {
    pub fn id(self) -> &'a str {
        self.0["id"].as_str().unwrap_or_default()
    }

    /// The version's name, which we give it as its display name.
    pub fn version(self) -> &'a str {
        self.0["displayName"].as_str().unwrap_or_default()
    }

    /// The model's name, with its version's number.
    pub fn model(self) -> &'a str {
        self.0["model"].as_str().unwrap_or_default()
    }

    /// Without its Z, so that it compares with one that has no fraction.
    pub fn create_time(self) -> &'a str {
        self.0["createTime"].as_str().unwrap_or_default().trim_end_matches('Z')
    }

    /// Whether it is version `number` of `model`, a model's name.
    pub fn is_of(self, model: &str, number: &str) -> bool {
        let name = self.model();
        let (own, at) = name.split_once('@').unwrap_or((name, ""));
        is_same(own, model) && self.0["modelVersionId"].as_str().unwrap_or(at) == number
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_found_by_name_and_the_newest_of_two_wins() {
        let endpoint = Endpoint(json!({
            "deployedModels": [
                {"id": "9", "displayName": "v2", "createTime": "2026-11-21T10:00:00.5Z",
                    "model": "projects/1/locations/l/models/iris@4", "modelVersionId": "4"},
                {"id": "7", "displayName": "v2", "createTime": "2026-11-21T10:00:00Z",
                    "model": "projects/1/locations/l/models/iris@3"},
            ],
            "trafficSplit": {"7": 100},
        }));
        let newest = endpoint.by_version("v2").unwrap();
        assert_eq!((newest.id(), endpoint.split().percent(newest.id())), ("9", 0));
        assert!(newest.is_of("projects/acme/locations/l/models/iris", "4"));
        let older = endpoint.by_id("7").unwrap();
        assert!(older.is_of("projects/acme/locations/l/models/iris", "3"));
        assert!(!older.is_of("projects/acme/locations/l/models/iris", "4"));
        assert!(endpoint.by_version("v1").is_none());
    }
}
