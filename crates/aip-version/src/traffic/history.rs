//! The splits an endpoint had before, in its labels, so that any machine can
//! bring them back.
//!
//! One label a step, `mlflow-aip-traffic-1` the latest, and in it
//! `ID-PERCENT_ID-PERCENT` of deployed models. What is too long for a label's
//! value goes on in `mlflow-aip-traffic-1-2`. A step whose percents do not add
//! up has lost a part: history ends before it.

use std::collections::BTreeMap;

use aip::vertex::Split;
use deployment::Extra;
use serde_json::Value;

const KEY: &str = "mlflow-aip-traffic-";
/// Steps that are kept.
const DEPTH: usize = 8;
/// What the service allows.
const MAX_VALUE: usize = 63;
const MAX_LABELS: usize = 64;

/// The latest first.
pub(crate) fn read(labels: &Value) -> Vec<Split> {
    let mut steps: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        let Some(rest) = key.strip_prefix(KEY) else { continue };
        let step = rest.split_once('-').map_or(rest, |(step, _)| step);
        if let (Ok(step), Some(value)) = (step.parse(), value.as_str()) {
            steps.entry(step).or_default().push(value);
        }
    }
    let unbroken = steps.into_iter().zip(1..).take_while(|((step, _), number)| step == number);
    unbroken.map_while(|((_, parts), _)| parse(&parts)).collect()
}

/// All labels: the user's own, and the history in place of the one before, as
/// far as there is room.
pub(crate) fn write(labels: &Value, history: &[Split]) -> Extra {
    let mut all = labels.as_object().cloned().unwrap_or_default();
    all.retain(|key, _| !key.starts_with(KEY));
    for (step, split) in history.iter().take(DEPTH).enumerate() {
        let parts = parts(split);
        if all.len() + parts.len() > MAX_LABELS {
            break;
        }
        for (part, value) in parts.into_iter().enumerate() {
            let key = match part {
                0 => format!("{KEY}{}", step + 1),
                _ => format!("{KEY}{}-{}", step + 1, part + 1),
            };
            all.insert(key, value.into());
        }
    }
    all
}

fn parts(split: &Split) -> Vec<String> {
    let mut parts = vec![String::new()];
    for (id, percent) in &split.0 {
        let entry = format!("{id}-{percent}");
        match parts.last_mut().filter(|part| part.len() + 1 + entry.len() <= MAX_VALUE) {
            Some(part) if part.is_empty() => part.push_str(&entry),
            Some(part) => {
                part.push('_');
                part.push_str(&entry);
            }
            None => parts.push(entry),
        }
    }
    parts
}

fn parse(parts: &[&str]) -> Option<Split> {
    let mut split = BTreeMap::new();
    for entry in parts.iter().flat_map(|part| part.split('_')) {
        let (id, percent) = entry.split_once('-')?;
        let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_digit());
        split.insert(Some(id.to_owned()).filter(|_| is_id)?, percent.parse().ok()?);
    }
    let sum: u32 = split.values().map(|percent: &u8| u32::from(*percent)).sum();
    (sum == 100).then_some(Split(split))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn split(entries: &[(&str, u8)]) -> Split {
        Split(entries.iter().map(|(id, percent)| ((*id).to_owned(), *percent)).collect())
    }

    #[test]
    fn history_comes_back_as_it_was_written() {
        let long = split(&[
            ("1234567890123456789", 40),
            ("2234567890123456789", 30),
            ("3234567890123456789", 30),
        ]);
        let history = vec![split(&[("77", 90), ("78", 10)]), split(&[("77", 100)]), long];
        let labels = json!({"team": "a", "mlflow-aip-traffic-5": "9-100"});
        let written = Value::Object(write(&labels, &history));
        assert_eq!(
            written,
            json!({"team": "a", "mlflow-aip-traffic-1": "77-90_78-10",
                "mlflow-aip-traffic-2": "77-100",
                "mlflow-aip-traffic-3": "1234567890123456789-40_2234567890123456789-30",
                "mlflow-aip-traffic-3-2": "3234567890123456789-30"})
        );
        assert_eq!(read(&written), history);
        let none = Value::Object(write(&written, &[]));
        assert_eq!(none, json!({"team": "a"}));
    }

    #[test]
    fn labels_are_what_the_service_allows() {
        let many = Split((0..20).map(|n| (format!("123456789012345678{n}"), 5)).collect());
        let history = vec![many; 12];
        let own: Extra = (0..20).map(|n| (format!("k{n}"), "v".into())).collect();
        let labels = write(&Value::Object(own), &history);
        assert!(labels.len() <= MAX_LABELS, "{}", labels.len());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        for (key, value) in &labels {
            let value = value.as_str().unwrap();
            assert!(key.len() < 64 && value.len() < 64, "{key}: {value}");
            assert!(key.chars().all(plain) && value.chars().all(plain), "{key}: {value}");
        }
        assert_eq!(read(&Value::Object(labels)).len(), 4);
    }

    #[test]
    fn only_so_much_is_kept() {
        let history = vec![split(&[("1", 100)]); 12];
        assert_eq!(read(&Value::Object(write(&json!({}), &history))).len(), DEPTH);
    }

    #[test]
    fn a_step_that_lost_a_part_ends_the_history() {
        let read = |labels: Value| read(&labels).len();
        let (one, two) = ("mlflow-aip-traffic-1", "mlflow-aip-traffic-2");
        assert_eq!(read(json!({one: "1-100", two: "2-100"})), 2);
        assert_eq!(read(json!({two: "2-100"})), 0);
        for damaged in ["1-90", "1-100_2-1", "x-100", "-100", "1-100_", "", "1-x", "1-100-1"] {
            assert_eq!(read(json!({one: damaged, two: "2-100"})), 0, "{damaged}");
        }
        assert_eq!(read(Value::Null), 0);
    }
}
