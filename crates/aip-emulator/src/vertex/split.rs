//! Which deployed model gets how much of an endpoint's traffic.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::refusal::invalid;
use crate::error::ApiError;

/// Percent by the deployed model's id
pub(super) type Traffic = BTreeMap<String, u32>;

/// Stands for the model that is being deployed.
const NEW: &str = "0";

/// Reads the `trafficSplit` of a request. The ids must be among `known`, and
/// the percentages add up to 100 unless there are none.
pub(super) fn read(split: Option<&Value>, known: &[&str]) -> Result<Traffic, ApiError> {
    let given = split.and_then(Value::as_object).into_iter().flatten();
    let traffic: BTreeMap<String, i64> =
        given.map(|(id, percent)| (id.clone(), percent.as_i64().unwrap_or(-1))).collect();
    let unknown: Vec<&str> =
        traffic.keys().map(String::as_str).filter(|id| !known.contains(id)).collect();
    if !unknown.is_empty() {
        let text =
            format!("The following DeployedModel ID(s) [{}] do not exist.", unknown.join(", "));
        return Err(invalid(&text));
    }
    if traffic.values().any(|percent| !(0..=100).contains(percent)) {
        return Err(invalid("A traffic split's percentages must be between 0 and 100."));
    }
    let sum: i64 = traffic.values().sum();
    if !traffic.is_empty() && sum != 100 {
        let text =
            format!("The traffic split's percentages must add up to 100, but add up to {sum}.");
        return Err(invalid(&text));
    }
    let percent = |percent| u32::try_from(percent).unwrap_or_default();
    Ok(traffic.into_iter().map(|(id, share)| (id, percent(share))).collect())
}

/// As `read`, for the request that deploys `id`: "0" means that one.
pub(super) fn read_new(
    split: Option<&Value>,
    known: &[&str],
    id: &str,
) -> Result<Traffic, ApiError> {
    let mut traffic = read(split, &[known, &[NEW]].concat())?;
    if let Some(percent) = traffic.remove(NEW) {
        traffic.insert(id.to_owned(), percent);
    }
    Ok(traffic)
}

/// Spreads requests so that after any hundred of them each model has had its
/// percentage exactly, and at no time is far from it (smooth weighted round
/// robin).
#[derive(Debug, Default)]
pub(super) struct Splitter(Mutex<HashMap<String, BTreeMap<String, i64>>>);

impl Splitter {
    /// The model that answers the endpoint's next request.
    pub(super) fn next(&self, endpoint: &str, traffic: &Traffic) -> Option<String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let credit = all.entry(endpoint.to_owned()).or_default();
        let is_same = credit.keys().eq(traffic.keys());
        if !is_same {
            credit.clear();
        }
        for (id, percent) in traffic {
            *credit.entry(id.clone()).or_default() += i64::from(*percent);
        }
        let eligible = credit.iter_mut().filter(|(id, _)| traffic[*id] > 0);
        let (id, credit) = eligible.max_by_key(|(_, credit)| **credit)?;
        *credit -= 100;
        Some(id.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_split_names_what_is_there_and_adds_up() {
        let known = ["7", "8"];
        let read = |split: Value| read(Some(&split), &known).map_err(|e| e.message().to_owned());
        assert_eq!(read(json!({"7": 90, "8": 10})).unwrap().len(), 2);
        assert!(read(json!({})).unwrap().is_empty());
        let text = "The following DeployedModel ID(s) [0] do not exist.";
        assert_eq!(read(json!({"0": 100})).unwrap_err(), text);
        assert!(read(json!({"7": 90})).is_err() && read(json!({"7": 110, "8": -10})).is_err());
        let new = read_new(Some(&json!({"0": 10, "7": 90})), &known, "9").unwrap();
        assert_eq!(new, Traffic::from([("7".to_owned(), 90), ("9".to_owned(), 10)]));
    }

    #[test]
    fn every_hundred_requests_are_split_exactly() {
        let splitter = Splitter::default();
        for (a, b) in [(90, 10), (1, 99), (100, 0), (50, 50)] {
            let traffic = Traffic::from([("7".to_owned(), a), ("8".to_owned(), b)]);
            let name = format!("{a}");
            for _ in 0..3 {
                let served: Vec<String> =
                    (0..100).map(|_| splitter.next(&name, &traffic).unwrap()).collect();
                assert_eq!(served.iter().filter(|id| *id == "7").count(), a as usize);
            }
        }
        assert_eq!(splitter.next("none", &Traffic::new()), None);
    }
}
