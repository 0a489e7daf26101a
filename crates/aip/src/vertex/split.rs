//! How an endpoint's requests are split between what is deployed to it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Percent by the deployed model's id; those without any are left out. Either
/// empty or 100 in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split(pub BTreeMap<String, u8>);

impl Split {
    /// The API's `trafficSplit`.
    pub fn read(split: &Value) -> Self {
        let percent = |value: &Value| value.as_u64().and_then(|value| u8::try_from(value).ok());
        let all = split.as_object().into_iter().flatten();
        let some = all.filter_map(|(id, value)| Some((id.clone(), percent(value)?)));
        Self(some.filter(|(_, percent)| *percent > 0).collect())
    }

    pub fn all_to(id: &str) -> Self {
        Self([(id.to_owned(), 100)].into())
    }

    pub fn percent(&self, id: &str) -> u8 {
        self.0.get(id).copied().unwrap_or(0)
    }

    /// With `percent` for `id`; the others keep their proportions in the rest.
    /// Without others, it gets everything.
    #[must_use]
    pub fn with(&self, id: &str, percent: u8) -> Self {
        let mut others = self.0.clone();
        others.remove(id);
        if others.is_empty() {
            return Self::all_to(id);
        }
        let mut split = scaled(&others, 100 - percent.min(100));
        if percent > 0 {
            split.insert(id.to_owned(), percent.min(100));
        }
        Self(split)
    }

    /// Without `id`; the others share its part in proportion. Nothing where no
    /// other has any.
    #[must_use]
    pub fn without(&self, id: &str) -> Self {
        let mut others = self.0.clone();
        others.remove(id);
        Self(scaled(&others, 100))
    }

    /// With everything of `id` moved over to `other`.
    #[must_use]
    pub fn moved(&self, id: &str, other: &str) -> Self {
        let mut split = self.0.clone();
        if let Some(percent) = split.remove(id) {
            *split.entry(other.to_owned()).or_default() += percent;
        }
        Self(split)
    }

    pub fn to_json(&self) -> Value {
        let all = self.0.iter().map(|(id, percent)| (id.clone(), Value::from(*percent)));
        Value::Object(all.collect::<Map<_, _>>())
    }
}

/// The same proportions, `total` in all: rounded down, and what is missing then
/// goes to those that lost the most.
fn scaled(split: &BTreeMap<String, u8>, total: u8) -> BTreeMap<String, u8> {
    let sum: u32 = split.values().map(|percent| u32::from(*percent)).sum();
    if sum == 0 {
        return BTreeMap::new();
    }
    let part = |percent: u8| u32::from(percent) * u32::from(total);
    let mut by_loss: Vec<_> = split.iter().map(|(id, percent)| (id, part(*percent))).collect();
    by_loss.sort_by_key(|(_, part)| std::cmp::Reverse(part % sum));
    let given: u32 = by_loss.iter().map(|(_, part)| part / sum).sum();
    let missing = usize::try_from(u32::from(total) - given).unwrap_or(0);
    let parts = by_loss.iter().enumerate();
    let mut parts: Vec<_> =
        parts.map(|(index, (_, part))| part / sum + u32::from(index < missing)).collect();
    spare_the_last(&mut parts);
    let percents = by_loss.iter().zip(parts).map(|((id, _), part)| {
        let percent = u8::try_from(part).unwrap_or(total);
        ((*id).clone(), percent)
    });
    percents.filter(|(_, percent)| *percent > 0).collect()
}

/// Who is rounded to nothing gets one percent of who has the most: a version that
/// has requests does not lose the last of them unnoticed.
fn spare_the_last(parts: &mut [u32]) {
    while let Some(none) = parts.iter().position(|part| *part == 0) {
        let rich = (0..parts.len()).filter(|index| parts[*index] > 1);
        let Some(most) = rich.max_by_key(|index| parts[*index]) else { return };
        parts[most] -= 1;
        parts[none] += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn split(json: &Value) -> Split {
        Split::read(json)
    }

    #[test]
    fn what_one_gets_the_others_give_in_proportion() {
        let before = split(&json!({"1": 90, "2": 10, "3": 0}));
        assert_eq!(before.with("3", 50), split(&json!({"1": 45, "2": 5, "3": 50})));
        assert_eq!(before.with("1", 50), split(&json!({"1": 50, "2": 50})));
        assert_eq!(before.with("3", 0), before);
        assert_eq!(Split::default().with("3", 10), Split::all_to("3"));
        let thirds = split(&json!({"1": 34, "2": 33, "3": 33})).with("4", 1);
        assert_eq!(thirds.0.values().map(|percent| u32::from(*percent)).sum::<u32>(), 100);
    }

    #[test]
    fn nobody_loses_the_last_while_there_is_enough() {
        let before = split(&json!({"1": 98, "2": 1, "3": 1}));
        assert_eq!(before.with("4", 60), split(&json!({"1": 38, "2": 1, "3": 1, "4": 60})));
        assert_eq!(before.with("4", 98).0.len(), 3);
        for percent in 1..=97 {
            let after = before.with("4", percent).0;
            let sum: u32 = after.values().map(|percent| u32::from(*percent)).sum();
            assert_eq!((sum, after.len(), after["4"]), (100, 4, percent));
        }
    }

    #[test]
    fn what_one_gives_up_the_others_share() {
        let before = split(&json!({"1": 60, "2": 30, "3": 10}));
        assert_eq!(before.without("1"), split(&json!({"2": 75, "3": 25})));
        assert_eq!(before.without("9"), before);
        assert_eq!(Split::all_to("1").without("1"), Split::default());
        assert_eq!(before.moved("1", "9"), split(&json!({"9": 60, "2": 30, "3": 10})));
        assert_eq!(before.moved("1", "2").percent("2"), 90);
    }
}
