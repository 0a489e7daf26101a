//! Deployed models by the names of their versions.

use std::collections::BTreeSet;

use aip::vertex::{Deployed, Endpoint, Split};
use serde_json::{Map, Value};

/// One that is deployed, and what it is called.
pub(super) struct Named<'a> {
    pub(super) name: String,
    pub(super) deployed: Deployed<'a>,
}

/// The newest of a version has its name; an older one, that is being replaced,
/// has the model version's number after it.
pub(super) fn all(endpoint: &Endpoint) -> Vec<Named<'_>> {
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for deployed in endpoint.deployed().into_iter().rev() {
        let version = deployed.version();
        let name = [version.to_owned(), format!("{version}@{}", number(deployed))]
            .into_iter()
            .find(|name| !taken.contains(name));
        let name = name.unwrap_or_else(|| format!("{version}#{}", deployed.id()));
        taken.insert(name.clone());
        all.push(Named { name, deployed });
    }
    all.reverse();
    all
}

/// The model version's number.
pub(super) fn number(deployed: Deployed<'_>) -> &str {
    let by_name = || deployed.0["model"].as_str().and_then(|name| name.split_once('@'));
    let number = deployed.0["modelVersionId"].as_str();
    number.or_else(|| by_name().map(|(_, number)| number)).unwrap_or_default()
}

/// A split as people read it, the oldest first. Who is not deployed any more is
/// called by its id.
pub(super) fn split(endpoint: &Endpoint, split: &Split) -> Map<String, Value> {
    let named = all(endpoint);
    let known = named.iter().filter_map(|one| {
        let percent = split.0.get(one.deployed.id())?;
        Some((one.name.clone(), Value::from(*percent)))
    });
    let gone = split.0.iter().filter(|(id, _)| endpoint.by_id(id).is_none());
    let gone = gone.map(|(id, percent)| (format!("{id} (gone)"), Value::from(*percent)));
    known.chain(gone).collect()
}

/// The same in a sentence: `v2 90 %, v3 10 %`.
pub(super) fn sentence(endpoint: &Endpoint, of: &Split) -> String {
    let parts: Vec<_> =
        split(endpoint, of).iter().map(|(name, percent)| format!("{name} {percent} %")).collect();
    if parts.is_empty() { "nobody".into() } else { parts.join(", ") }
}

/// What there is, for a hint.
pub(super) fn list(endpoint: &Endpoint) -> String {
    let names: Vec<_> = all(endpoint).into_iter().map(|one| format!("'{}'", one.name)).collect();
    if names.is_empty() {
        "nothing is deployed: run aip-version create".into()
    } else {
        format!("deployed are {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_deployed_model_has_a_name_of_its_own() {
        let endpoint = Endpoint(json!({"deployedModels": [
            {"id": "9", "displayName": "v2", "createTime": "3", "modelVersionId": "4"},
            {"id": "7", "displayName": "v2", "createTime": "2", "model": "models/iris@3"},
            {"id": "6", "displayName": "v2", "createTime": "1", "model": "models/iris@3"},
            {"id": "5", "displayName": "v1", "createTime": "0", "modelVersionId": "1"},
        ]}));
        let names: Vec<_> = all(&endpoint).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["v1", "v2#6", "v2@3", "v2"]);
        let of = Split::read(&json!({"9": 50, "5": 40, "8": 10}));
        assert_eq!(sentence(&endpoint, &of), "v1 40 %, v2 50 %, 8 (gone) 10 %");
        assert_eq!(list(&endpoint), "deployed are 'v1', 'v2#6', 'v2@3', 'v2'");
    }
}
