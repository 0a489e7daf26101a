//! Names of the model, the version and the package.

use deployment::Lineage;
use deployment::names::{NAME_LIMIT, is_name};

use crate::pep440;

/// The package, as the article names it: already in PEP 625's form.
pub(crate) const PACKAGE: &str = "deploy_from_script";

/// The model's name at the service where nobody gave one: the registered
/// model's, in the letters that the service takes.
pub(crate) fn default_model(lineage: &Lineage) -> String {
    let registered = lineage.registered_model.as_deref().unwrap_or_default();
    let mut name: String = registered
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(NAME_LIMIT)
        .collect();
    if name.chars().all(|c| c == '_') {
        return "model".into();
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name = format!("m{name}");
        name.truncate(NAME_LIMIT);
    }
    name
}

/// The version's name where nobody gave one.
pub(crate) fn default_version(lineage: &Lineage) -> String {
    let version = lineage.registered_version.as_deref().filter(|v| is_name(&format!("v{v}")));
    format!("v{}", version.unwrap_or("1"))
}

/// The package's version: the version's name where Python takes it for a
/// version (`v3` is 3), else a version that carries it.
pub(crate) fn package_version(version: &str) -> String {
    pep440::normalise(version).unwrap_or_else(|| pep440::carrying(version))
}

/// A directory's name from any two names.
pub(crate) fn directory(model: &str, version: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = format!("{model}-{version}").chars().map(safe).collect();
    // A leading dot would hide it, or make it the directory above.
    name.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(model: &str, version: &str) -> Lineage {
        Lineage {
            registered_model: Some(model.into()),
            registered_version: Some(version.into()),
            ..Lineage::default()
        }
    }

    #[test]
    fn defaults_are_names_that_the_service_takes() {
        let cases = [
            ("iris", "iris"),
            ("iris-sklearn", "iris_sklearn"),
            ("3d model", "m3d_model"),
            ("_private", "m_private"),
            ("日本", "model"),
            ("", "model"),
        ];
        for (registered, expected) in cases {
            let name = default_model(&lineage(registered, "3"));
            assert_eq!(name, expected);
            assert!(is_name(&name));
        }
        assert!(is_name(&default_model(&lineage(&"9".repeat(300), "3"))));
        assert_eq!(default_model(&Lineage::default()), "model");
        assert_eq!(default_version(&lineage("iris", "3")), "v3");
        assert_eq!(default_version(&lineage("iris", "3-x")), "v1");
        assert_eq!(default_version(&Lineage::default()), "v1");
    }

    #[test]
    fn what_the_service_refuses() {
        for name in ["", "3", "a-b", "a b", "é", "_a", &"a".repeat(129)] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("v1") && is_name("A_b9"));
    }

    #[test]
    fn a_directory_stays_where_it_belongs() {
        assert_eq!(directory("iris", "v3"), "iris-v3");
        assert_eq!(directory("../../etc", "x/../y\n"), "_.._etc-x_.._y_");
    }
}
