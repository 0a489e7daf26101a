//! Values on their way through protocol buffers: every number becomes a
//! double, so that 2^53 + 1 comes out as another one.

use serde_json::{Number, Value};

/// Doubles without a fraction are written without one up to here.
const MAX_WHOLE: f64 = 1e17;

/// The value as `google.protobuf.Value` has it.
pub(super) fn through_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => double(&number).into(),
        Value::Array(list) => list.into_iter().map(through_doubles).collect::<Vec<_>>().into(),
        Value::Object(map) => {
            let fields = map.into_iter().map(|(key, value)| (key, through_doubles(value)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

fn double(number: &Number) -> Number {
    let Some(double) = number.as_f64().filter(|double| double.is_finite()) else {
        return number.clone();
    };
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
    if double.fract() == 0.0 && double.abs() < MAX_WHOLE {
        return Number::from(double as i64);
    }
    Number::from_f64(double).unwrap_or_else(|| number.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_doubles() {
        let through = |text: &str| through_doubles(serde_json::from_str(text).unwrap()).to_string();
        for (before, after) in [
            ("9007199254740993", "9007199254740992"),
            ("1.0", "1"),
            ("-0.5", "-0.5"),
            ("1e2", "100"),
            ("0.1", "0.1"),
            ("1E300", "1e+300"),
            ("[1,{\"a\":2.50}]", "[1,{\"a\":2.5}]"),
            ("\"9007199254740993\"", "\"9007199254740993\""),
        ] {
            assert_eq!(through(before), after);
        }
    }
}
