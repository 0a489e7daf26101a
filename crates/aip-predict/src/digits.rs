//! Numbers that do not survive a way through protobuf, whose only number is a
//! double.

use std::sync::Once;

/// Whole numbers from here on are not all doubles: 2^53 has sixteen digits.
const DIGITS: usize = 16;

/// Said once: the service takes them, and passes others on.
pub(crate) fn warn_of_long_numbers(body: &[u8]) {
    static ONCE: Once = Once::new();
    if has_long_number(body) {
        ONCE.call_once(|| {
            log::warn!(
                "numbers of more than fifteen digits are rounded on their way to the model; \
                 --raw keeps them"
            );
        });
    }
}

/// A whole number of so many digits; a fraction's last digits are of no weight.
fn has_long_number(body: &[u8]) -> bool {
    let (mut in_string, mut escaped, mut digits, mut fraction) = (false, false, 0, false);
    for &byte in body {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' | b'e' | b'E' => fraction = true,
            _ => {
                if digits >= DIGITS && !fraction {
                    return true;
                }
                (digits, fraction, in_string) = (0, false, byte == b'"');
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_whole_numbers_are_long() {
        for (body, long) in [
            (r#"{"instances":[9007199254740993]}"#, true),
            (r#"{"instances":[[1],{"a":-9007199254740993}]}"#, true),
            (r#"{"instances":[900719925474099]}"#, false),
            (r#"{"instances":[0.1234567890123456789]}"#, false),
            (r#"{"instances":["9007199254740993"]}"#, false),
            (r#"{"instances":["a\"9007199254740993", 1]}"#, false),
            (r#"{"instances":["a\\", 9007199254740993]}"#, true),
            (r#"{"instances":[true, null, 1e30]}"#, false),
        ] {
            assert_eq!(has_long_number(body.as_bytes()), long, "{body}");
        }
    }
}
