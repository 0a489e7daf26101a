//! Who gets the requests of a version that goes.

use aip::vertex::{Deployed, Endpoint, Split};
use deployment::Kind;
use stage::Failure;

/// What is to become of an endpoint's requests.
pub(super) struct Heirs<'a> {
    /// The version that goes.
    pub(super) version: &'a str,
    /// Its deployed models.
    pub(super) ids: &'a [String],
    /// The version that gets its requests, where one is named.
    pub(super) to: Option<&'a str>,
    /// Whether it may be the last that answers.
    pub(super) last: bool,
}

impl Heirs<'_> {
    /// The split without it, if it has a part in the one there is: to the
    /// version that is named, else to those that have requests already, in
    /// proportion, else to the one that was deployed before it.
    pub(super) fn of(&self, endpoint: &Endpoint) -> Result<Option<Split>, Failure> {
        let deployed = endpoint.deployed();
        let (ours, others): (Vec<_>, Vec<_>) =
            deployed.into_iter().partition(|one| self.ids.iter().any(|id| id == one.id()));
        let Some(oldest) = ours.first() else { return Ok(None) };
        let named = self.to.map(|to| named(&others, to)).transpose()?;
        if others.is_empty() {
            return if self.last { Ok(None) } else { Err(self.alone()) };
        }
        let split = endpoint.split();
        if ours.iter().all(|one| split.percent(one.id()) == 0) {
            return Ok(None);
        }
        let rest = ours.iter().fold(split.clone(), |split, one| split.without(one.id()));
        if named.is_none() && !rest.0.is_empty() {
            return Ok(Some(rest));
        }
        let before = others.iter().rfind(|one| one.create_time() <= oldest.create_time());
        let heir = named.or_else(|| before.or(others.last()).map(|one| one.id()));
        let heir = heir.unwrap_or_default();
        Ok(Some(ours.iter().fold(split, |split, one| split.moved(one.id(), heir))))
    }

    fn alone(&self) -> Failure {
        let message = format!("cannot delete version '{}'", self.version);
        Failure::new(Kind::Refused, message)
            .because("nothing else is deployed to its endpoint: requests would fail")
            .hint("deploy another version first, or give --last")
    }
}

fn named<'a>(others: &[Deployed<'a>], to: &str) -> Result<&'a str, Failure> {
    let found = others.iter().rfind(|one| one.version() == to);
    found.map(|one| one.id()).ok_or_else(|| {
        let message = format!("there is no other version '{to}' that its requests could go to");
        Failure::usage(message).hint("see what is there: aip-version list")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn endpoint(split: &Value) -> Endpoint {
        let deployed = |id: &str, version: &str| json!({"id": id, "displayName": version, "createTime": format!("2026-01-0{id}T00:00:00Z")});
        let all = [deployed("1", "v1"), deployed("2", "v2"), deployed("3", "v3")];
        Endpoint(json!({"deployedModels": all, "trafficSplit": split}))
    }

    fn heirs(id: &str, to: Option<&str>, split: &Value) -> Option<Value> {
        let ids = [id.to_owned()];
        let heirs = Heirs { version: "v", ids: &ids, to, last: false };
        heirs.of(&endpoint(split)).unwrap().map(|split| split.to_json())
    }

    #[test]
    fn those_that_answer_share_what_it_had() {
        let split = json!({"1": 60, "2": 30, "3": 10});
        assert_eq!(heirs("1", None, &split), Some(json!({"2": 75, "3": 25})));
        assert_eq!(heirs("1", Some("v3"), &split), Some(json!({"2": 30, "3": 70})));
        assert_eq!(heirs("3", None, &json!({"1": 100})), None);
        assert_eq!(heirs("9", None, &split), None);
    }

    #[test]
    fn where_nobody_else_answers_the_one_before_it_does() {
        assert_eq!(heirs("2", None, &json!({"2": 100})), Some(json!({"1": 100})));
        assert_eq!(heirs("1", None, &json!({"1": 100})), Some(json!({"3": 100})));
    }

    #[test]
    fn the_last_that_answers_stays_unless_it_is_meant() {
        let endpoint = Endpoint(json!({"deployedModels": [{"id": "1", "displayName": "v1"}],
            "trafficSplit": {"1": 100}}));
        let ids = ["1".to_owned()];
        let heirs = |to, last| Heirs { version: "v1", ids: &ids, to, last }.of(&endpoint);
        assert!(heirs(None, false).is_err());
        assert!(heirs(None, true).unwrap().is_none());
        assert!(heirs(Some("v2"), false).is_err());
    }
}
