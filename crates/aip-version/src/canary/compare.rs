//! Whether two JSON values say the same, as far as numbers can.

use serde_json::{Number, Value};

/// Where two values differ: `predictions[3].score`, one, the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) place: String,
    pub(super) expected: String,
    pub(super) found: String,
}

/// Below this, numbers are as good as zero: a tolerance that is relative alone
/// would hold the noise around it against a model.
const SMALL: f64 = 1e-6;

/// The first `limit` differences. Fractions may differ by `tolerance` of the
/// larger; all else is the same or is not.
pub(super) fn differences(
    place: &str,
    expected: &Value,
    found: &Value,
    tolerance: f64,
    limit: usize,
) -> Vec<Difference> {
    let mut comparison = Comparison { tolerance, limit, found: Vec::new() };
    comparison.walk(place.to_owned(), expected, found);
    comparison.found
}

struct Comparison {
    tolerance: f64,
    limit: usize,
    found: Vec<Difference>,
}

impl Comparison {
    fn walk(&mut self, place: String, expected: &Value, found: &Value) {
        if self.found.len() >= self.limit {
            return;
        }
        let same = match (expected, found) {
            (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
                for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                    self.walk(format!("{place}[{index}]"), expected, found);
                }
                return;
            }
            (Value::Object(expected), Value::Object(found))
                if expected.len() == found.len()
                    && expected.keys().all(|key| found.contains_key(key)) =>
            {
                for (key, expected) in expected {
                    self.walk(format!("{place}.{key}"), expected, &found[key]);
                }
                return;
            }
            (Value::Number(expected), Value::Number(found)) => self.is_near(expected, found),
            _ => is_same(expected, found),
        };
        if !same {
            let (expected, found) = (shown(expected), shown(found));
            self.found.push(Difference { place, expected, found });
        }
    }

    fn is_near(&self, expected: &Number, found: &Number) -> bool {
        if expected == found {
            return true;
        }
        // Whole numbers are counts and classes: one off is another answer.
        if let (Some(expected), Some(found)) = (expected.as_i128(), found.as_i128()) {
            return expected == found;
        }
        match (expected.as_f64(), found.as_f64()) {
            (Some(expected), Some(found)) => {
                let scale = expected.abs().max(found.abs()).max(SMALL);
                // Also where both are infinite, whose difference is no number.
                expected.total_cmp(&found).is_eq()
                    || (expected - found).abs() <= self.tolerance * scale
            }
            _ => false,
        }
    }
}

/// JSON has no word for what is not a number: some write null, some "NaN".
fn is_same(expected: &Value, found: &Value) -> bool {
    let is_nan = |value: &Value| value.is_null() || value == "NaN";
    expected == found || (is_nan(expected) && is_nan(found))
}

/// Enough of a value to know it by.
fn shown(value: &Value) -> String {
    const MOST: usize = 80;
    let text = value.to_string();
    let kind = match value {
        Value::Array(list) => format!(" ({} values)", list.len()),
        _ => String::new(),
    };
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…{kind}", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(expected: &str, found: &str) -> Vec<String> {
        let parse = |text| serde_json::from_str::<Value>(text).unwrap();
        differences("p", &parse(expected), &parse(found), 1e-6, 3)
            .into_iter()
            .map(|one| format!("{}: {} {}", one.place, one.expected, one.found))
            .collect()
    }

    #[test]
    fn fractions_may_differ_a_little_and_all_else_not_at_all() {
        for (expected, found) in [
            ("0.3", "0.30000000000000004"),
            ("[1, 2.0]", "[1.0, 2]"),
            ("1e300", "1.0000001e300"),
            ("0.0", "1e-17"),
            ("{\"a\": [null]}", "{\"a\": [null]}"),
            ("null", "\"NaN\""),
            ("9007199254740993", "9007199254740993"),
            ("{\"a\": 1, \"b\": 2}", "{\"b\": 2, \"a\": 1}"),
        ] {
            assert!(compare(expected, found).is_empty(), "{expected} {found}");
        }
        for (expected, found) in [
            ("0.3", "0.30001"),
            ("9007199254740993", "9007199254740992"),
            ("1000000000", "1000000001"),
            ("null", "0"),
            ("\"a\"", "\"b\""),
            ("true", "1"),
            ("1", "\"1\""),
            ("0.0001", "-0.0001"),
            ("[1]", "[1, 2]"),
            ("{\"a\": 1}", "{\"b\": 1}"),
        ] {
            assert_eq!(compare(expected, found).len(), 1, "{expected} {found}");
        }
    }

    #[test]
    fn the_first_differences_are_named() {
        assert_eq!(
            compare("[0, {\"a\": [1, 2]}, 3, 4, 5]", "[1, {\"a\": [1, 9]}, 0, 0, 5]"),
            ["p[0]: 0 1", "p[1].a[1]: 2 9", "p[2]: 3 0"]
        );
        let long = format!("[{}1]", "1,".repeat(99));
        let found = compare(&long, "[1]");
        assert!(found[0].contains("… (100 values)") && found[0].len() < 150, "{found:?}");
    }
}
