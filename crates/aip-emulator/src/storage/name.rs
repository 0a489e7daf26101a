//! Which names Cloud Storage takes.

use crate::error::ApiError;

const MAX_OBJECT_NAME: usize = 1024;

/// Lower-case letters, digits, `-`, `_`, `.`; so a bucket's name is also safe
/// as the name of a directory.
pub(super) fn check_bucket(name: &str) -> Result<(), ApiError> {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let max = if name.contains('.') { 222 } else { 63 };
    let valid = (3..=max).contains(&name.len())
        && name.chars().all(|c| alphanumeric(c) || matches!(c, '-' | '_' | '.'))
        && name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
        && name.split('.').all(|label| !label.is_empty() && label.len() <= 63)
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("goog")
        && !name.contains("google");
    if valid {
        Ok(())
    } else {
        Err(ApiError::storage(400, "invalid", format!("Invalid bucket name: '{name}'")))
    }
}

pub(super) fn check_object(name: &str) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::storage(400, "invalid", message));
    if name.is_empty() {
        return Err(ApiError::storage(400, "required", "Required").at("parameter", "name"));
    }
    if name.len() > MAX_OBJECT_NAME {
        return invalid(format!(
            "The maximum object length is {MAX_OBJECT_NAME} characters, but got a name with {} \
             characters: '{}...'",
            name.len(),
            name.chars().take(32).collect::<String>()
        ));
    }
    if name.contains(['\r', '\n']) {
        return invalid("Disallowed unicode characters present in object name.".to_owned());
    }
    if matches!(name, "." | "..") || name.starts_with(".well-known/acme-challenge/") {
        return invalid(format!("Invalid object name: '{name}'"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets() {
        for good in ["abc", "my-bucket_1", "a.b.c", "0bucket9", &"a".repeat(63)] {
            assert!(check_bucket(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            "ab",
            "Abc",
            "-ab",
            "ab-",
            "a..b",
            "a/b",
            "..",
            "1.2.3.4",
            "goog-x",
            "é-bucket",
            &long,
        ] {
            assert!(check_bucket(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn objects() {
        let longest = "x".repeat(1024);
        for good in ["a", "a/b", "a//b", "../x", "...", "ümläut/模型", "a b+c%", &longest] {
            assert!(check_object(good).is_ok(), "{good}");
        }
        let long = "é".repeat(513);
        for bad in ["", ".", "..", "a\nb", "a\rb", ".well-known/acme-challenge/x", &long] {
            assert!(check_object(bad).is_err(), "{bad}");
        }
    }
}
