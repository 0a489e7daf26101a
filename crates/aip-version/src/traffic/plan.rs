//! What is wanted of a split.

use std::collections::{BTreeMap, BTreeSet};

use aip::vertex::{Endpoint, Place, Split};
use deployment::Kind;
use stage::Failure;

use super::{history, names};

pub(super) enum Plan {
    /// Percent by version.
    Set(Vec<(String, u8)>),
    Promote(String),
    /// So many steps.
    Rollback(usize),
}

/// The split to be, and what is before it then, the latest first.
#[derive(Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) split: Split,
    pub(crate) history: Vec<Split>,
}

impl Wanted {
    /// A step forward: what is now is remembered. No traffic at all is nothing
    /// to come back to.
    pub(crate) fn next(endpoint: &Endpoint, split: Split) -> Self {
        let mut history = history::read(&endpoint.0["labels"]);
        let now = endpoint.split();
        if !now.0.is_empty() {
            history.insert(0, now);
        }
        Self { split, history }
    }
}

/// `VERSION=PERCENT` of a flag.
pub(super) fn share(text: &str) -> Result<(String, u8), String> {
    let (version, percent) = text.rsplit_once('=').ok_or("a share has the form VERSION=PERCENT")?;
    let percent = percent.trim_end_matches('%').parse().ok().filter(|percent| *percent <= 100);
    let percent = percent.ok_or("the percent is a whole number from 0 to 100")?;
    if version.is_empty() {
        return Err("a share has the form VERSION=PERCENT".into());
    }
    Ok((version.into(), percent))
}

/// What is wrong with a split whoever is deployed.
pub(super) fn check(shares: &[(String, u8)]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    if let Some((twice, _)) = shares.iter().find(|(version, _)| !seen.insert(version)) {
        return Err(Failure::usage(format!("--set names version '{twice}' twice")));
    }
    let sum: u32 = shares.iter().map(|(_, percent)| u32::from(*percent)).sum();
    if sum != 100 {
        let message = format!("--set gives {sum} % in all, not 100");
        return Err(Failure::usage(message).hint("name every version that is to have traffic"));
    }
    Ok(())
}

impl Plan {
    pub(super) fn doing(&self, place: &Place) -> String {
        let endpoint = &place.endpoint_id;
        match self {
            Self::Set(_) => format!("set the traffic of endpoint '{endpoint}'"),
            Self::Promote(version) => {
                format!("give version '{version}' the traffic of endpoint '{endpoint}'")
            }
            Self::Rollback(_) => format!("roll back the traffic of endpoint '{endpoint}'"),
        }
    }

    pub(super) fn of(&self, place: &Place, endpoint: &Endpoint) -> Result<Wanted, Failure> {
        match self {
            Self::Set(shares) => {
                let split = by_names(place, endpoint, shares)?;
                Ok(Wanted::next(endpoint, split))
            }
            Self::Promote(version) => {
                let split = by_names(place, endpoint, &[(version.clone(), 100)])?;
                Ok(Wanted::next(endpoint, split))
            }
            Self::Rollback(steps) => back(endpoint, *steps)
                .map_err(|failure| failure.context(format!("cannot {}", self.doing(place)))),
        }
    }
}

fn by_names(place: &Place, endpoint: &Endpoint, shares: &[(String, u8)]) -> Result<Split, Failure> {
    let named = names::all(endpoint);
    let ids: BTreeMap<_, _> =
        named.iter().map(|one| (one.name.as_str(), one.deployed.id())).collect();
    let unknown: Vec<_> =
        shares.iter().filter(|(version, _)| !ids.contains_key(version.as_str())).collect();
    if !unknown.is_empty() {
        let unknown: Vec<_> = unknown.iter().map(|(version, _)| format!("'{version}'")).collect();
        let message = format!(
            "{} is not deployed to endpoint '{}'",
            unknown.join(" and "),
            place.endpoint_id
        );
        let failure = Failure::new(Kind::Refused, message).http_status(404);
        return Err(failure.hint(names::list(endpoint)));
    }
    let some = shares.iter().filter(|(_, percent)| *percent > 0);
    Ok(Split(some.map(|(version, percent)| (ids[version.as_str()].to_owned(), *percent)).collect()))
}

/// What was so many changes ago.
fn back(endpoint: &Endpoint, steps: usize) -> Result<Wanted, Failure> {
    let now = endpoint.split();
    let mut history = history::read(&endpoint.0["labels"]);
    // Where somebody else has set what was before already, there is no way back in it.
    let same = history.iter().take_while(|split| **split == now).count();
    history.drain(..same);
    if history.len() < steps {
        let message = match history.len() {
            0 => "there is no split before this one".to_owned(),
            1 => "only 1 split before this one is known".to_owned(),
            known => format!("only {known} splits before this one are known"),
        };
        return Err(Failure::new(Kind::Refused, message)
            .hint("set it: aip-version traffic --set VERSION=PERCENT,…"));
    }
    let split = history.drain(..steps).next_back().unwrap_or_default();
    let gone: Vec<_> = split.0.keys().filter(|id| endpoint.by_id(id).is_none()).collect();
    if !gone.is_empty() {
        let gone: Vec<_> = gone.into_iter().map(|id| format!("deployed model {id}")).collect();
        let message = format!(
            "the split before was {}, and {} is no longer there",
            names::sentence(endpoint, &split),
            gone.join(" and ")
        );
        return Err(Failure::new(Kind::Refused, message)
            .hint("go further back with --steps, or set a split: aip-version traffic --set …")
            .hint(names::list(endpoint)));
    }
    Ok(Wanted { split, history })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn endpoint(split: &Value, labels: &Value) -> Endpoint {
        Endpoint(json!({
            "deployedModels": [{"id": "7", "displayName": "v1"}, {"id": "8", "displayName": "v2"}],
            "trafficSplit": split, "labels": labels,
        }))
    }

    #[test]
    fn shares_are_whole_percents() {
        assert_eq!(share("v3=10").unwrap(), ("v3".into(), 10));
        assert_eq!(share("v3=10%").unwrap(), ("v3".into(), 10));
        for bad in ["v3", "v3=", "v3=101", "v3=-1", "v3=1.5", "=5"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_split_is_checked_before_anything_is_asked() {
        let check = |shares: &[(&str, u8)]| {
            let shares: Vec<_> = shares.iter().map(|(v, p)| ((*v).to_owned(), *p)).collect();
            check(&shares).map_err(|failure| format!("{failure:?}"))
        };
        assert!(check(&[("v1", 90), ("v2", 10)]).is_ok());
        assert!(check(&[("v1", 90), ("v2", 9)]).unwrap_err().contains("99 % in all"));
        assert!(check(&[("v1", 50), ("v1", 50)]).unwrap_err().contains("twice"));
    }

    #[test]
    fn back_is_what_was_before() {
        let labels = json!({"mlflow-aip-traffic-1": "7-100", "mlflow-aip-traffic-2": "8-100"});
        let now = endpoint(&json!({"7": 90, "8": 10}), &labels);
        let wanted = back(&now, 1).unwrap();
        assert_eq!(wanted.split, Split::all_to("7"));
        assert_eq!(wanted.history, [Split::all_to("8")]);
        assert_eq!(back(&now, 2).unwrap(), Wanted { split: Split::all_to("8"), history: vec![] });
        assert!(format!("{:?}", back(&now, 3).unwrap_err()).contains("only 2 splits"));
        // Undone by hand meanwhile.
        let undone = endpoint(&json!({"7": 100}), &labels);
        assert_eq!(back(&undone, 1).unwrap().split, Split::all_to("8"));
    }

    #[test]
    fn what_is_gone_is_not_brought_back() {
        let now = endpoint(&json!({"8": 100}), &json!({"mlflow-aip-traffic-1": "7-40_9-60"}));
        let failure = format!("{:?}", back(&now, 1).unwrap_err());
        assert!(failure.contains("v1 40 %, 9 (gone) 60 %"), "{failure}");
        assert!(failure.contains("deployed model 9 is no longer there"), "{failure}");
    }

    #[test]
    fn a_step_forward_remembers() {
        let now = endpoint(&json!({"7": 100}), &json!({"mlflow-aip-traffic-1": "8-100"}));
        let wanted = Wanted::next(&now, Split::all_to("8"));
        assert_eq!(wanted.history, [Split::all_to("7"), Split::all_to("8")]);
        let none = endpoint(&json!({}), &json!({}));
        assert!(Wanted::next(&none, Split::all_to("8")).history.is_empty());
    }
}
