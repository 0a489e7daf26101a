//! Names, ids and labels in the form that the services take them.

/// The longest name, and the longest label value.
pub const NAME_LIMIT: usize = 128;
const LABEL_LIMIT: usize = 63;

/// Names of models and versions start with a letter and go on with letters,
/// digits and underscores.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= NAME_LIMIT
}

/// The longest id of an endpoint or a model of Vertex AI.
pub const ID_LIMIT: usize = 63;

/// A name as the id of a Vertex AI endpoint or model: lower-case letters,
/// digits and `-`, a letter first and no `-` last. Nothing where the name has
/// no letter to begin with.
pub fn resource_id(name: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let id: String = name.chars().map(plain).skip_while(|c| !c.is_ascii_lowercase()).collect();
    let id = id.get(..ID_LIMIT).unwrap_or(&id).trim_end_matches('-');
    (!id.is_empty()).then(|| id.to_owned())
}

/// Whether a name can be an alias of a Vertex AI model version, which no
/// number can.
pub fn is_alias(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && (2..=NAME_LIMIT).contains(&name.len())
}

/// Names of buckets, as far as their letters go; with dots they may be longer.
pub fn is_bucket(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.chars().all(|c| plain(c) || "-_.".contains(c))
        && name.starts_with(plain)
        && name.ends_with(plain)
        && !name.contains("..")
        && (3..=if name.contains('.') { 222 } else { 63 }).contains(&name.len())
}

/// Whether a path is below a directory and spelt the only way there is, so that
/// it can be part of an object's name as it stands.
pub fn is_inner_path(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Names of objects in Cloud Storage; dots that lead elsewhere are legal there,
/// but no tool that treats names as paths finds them again.
pub fn is_object(name: &str) -> bool {
    is_inner_path(name)
        && !name.contains(['\r', '\n'])
        && name.len() <= 1024
        && !name.starts_with(".well-known/acme-challenge/")
}

/// A prefix for names of objects, with any number of slashes between its parts
/// and at its ends. No control characters, and none of those that gcloud takes
/// for patterns and generations.
pub fn is_route(route: &str) -> bool {
    route.split('/').all(|part| part != "." && part != "..")
        && !route.contains(|c: char| c.is_control() || "#[]*?".contains(c))
}

/// The text in the form that a label's value allows: lower case, digits,
/// `_` and `-`, at most 63.
pub fn label_value(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let lower = text.to_lowercase();
    lower.chars().map(|c| if allowed(c) { c } else { '_' }).take(LABEL_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["v1", "iris", "A_1"] {
            assert!(is_name(name));
        }
        for name in ["", "1", "_a", "a-b", "é", "a b", &"a".repeat(NAME_LIMIT + 1)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn ids_and_aliases_of_vertex() {
        assert_eq!(resource_id("Iris Model_2!").unwrap(), "iris-model-2");
        assert_eq!(resource_id("7 seas").unwrap(), "seas");
        assert_eq!(resource_id("2024"), None);
        assert_eq!(resource_id(&"a".repeat(80)).unwrap().len(), ID_LIMIT);
        for alias in ["v3", "champion", "v1-rc2", "aB9"] {
            assert!(is_alias(alias), "{alias}");
        }
        for alias in ["", "v", "3", "V3", "v_3", "v3-", "vA"] {
            assert!(!is_alias(alias), "{alias}");
        }
    }

    #[test]
    fn buckets() {
        for name in ["models", "acme-models_1", "models.example.com"] {
            assert!(is_bucket(name), "{name}");
        }
        for name in ["", "ab", "Models", "a/b", "../x", "-ab", "gs://x", &"a".repeat(64)] {
            assert!(!is_bucket(name), "{name}");
        }
    }

    #[test]
    fn objects_and_routes() {
        for name in ["a", "a b/é", "a/..b", &"a".repeat(1024)] {
            assert!(is_object(name), "{name}");
        }
        for name in ["a//b", "a/./b", "../a", "a/", "/a", "a\nb", "a\rb", "a\0", &"é".repeat(513)]
        {
            assert!(!is_object(name), "{name}");
        }
        assert!(!is_object(".well-known/acme-challenge/x"));
        for route in ["iris", "/models//iris/", "a b/é.v2"] {
            assert!(is_route(route), "{route}");
        }
        for route in ["..", "../x", "a/./b", "a/..", "a\nb", "a*", "a#1", "a[b]", "a?"] {
            assert!(!is_route(route), "{route}");
        }
    }

    #[test]
    fn labels() {
        assert_eq!(label_value("Iris Model/É-1"), "iris_model__-1");
        assert_eq!(label_value(&"a".repeat(64)).len(), 63);
    }
}
