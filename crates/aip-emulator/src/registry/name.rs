//! The grammar of names and tags.

/// As the specification's expression has it:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`
pub(super) fn is_repository(name: &str) -> bool {
    name.len() <= 255 && name.split('/').all(is_component)
}

fn is_component(name: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = name.split(is_alphanumeric).filter(|between| !between.is_empty());
    name.starts_with(is_alphanumeric)
        && name.ends_with(is_alphanumeric)
        && separators.into_iter().all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|c| c == b'-')
        })
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
pub(super) fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&tag.len())
        && tag.starts_with(is_word)
        && tag.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        for good in ["a", "library/python", "p-1/mlflow-aip/iris", "a__b", "a.b_c", "a---b/0"] {
            assert!(is_repository(good), "{good}");
        }
        let long = "a".repeat(256);
        for bad in ["", "/", "a/", "/a", "A", "a//b", "a..b", "a___b", "-a", "a.", "..", "ä", &long]
        {
            assert!(!is_repository(bad), "{bad}");
        }
    }

    #[test]
    fn tags() {
        for good in ["v1", "3.11-slim", "_a", "A.b-c"] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a:b", &"a".repeat(129)] {
            assert!(!is_tag(bad), "{bad}");
        }
    }
}
