//! Names of the model, the version and the package.

use deployment::names::{NAME_LIMIT, is_alias, is_name, resource_id};
use deployment::{Lineage, Target};

use crate::error::Error;
use crate::pep440;

/// The package, as the article names it: already in PEP 625's form.
pub(crate) const PACKAGE: &str = "deploy_from_script";

/// The model's name at the service where nobody gave one: the registered
/// model's, in the letters that the service takes.
pub(crate) fn default_model(target: Target, lineage: &Lineage) -> String {
    let registered = lineage.registered_model.as_deref().unwrap_or_default();
    if target == Target::Vertex {
        // Its names are for people; ids are made of them.
        let name: String = registered.chars().take(NAME_LIMIT).collect();
        return if resource_id(&name).is_some() { name } else { "model".into() };
    }
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
pub(crate) fn default_version(target: Target, lineage: &Lineage) -> String {
    let is_good = match target {
        Target::Vertex => is_alias,
        Target::AiPlatform => is_name,
    };
    let version = lineage.registered_version.as_deref().filter(|v| is_good(&format!("v{v}")));
    format!("v{}", version.unwrap_or("1"))
}

/// Ids at Vertex AI are made of the model's name; the version's is an alias.
pub(crate) fn check_vertex(model: &str, version: &str) -> Result<(), Error> {
    if resource_id(model).is_none() || model.chars().count() > NAME_LIMIT {
        return Err(Error::VertexModel(model.into()));
    }
    // The service itself gives that one to the version that is asked by default.
    if !is_alias(version) || version == "default" {
        return Err(Error::VertexVersion(version.into()));
    }
    Ok(())
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
            let name = default_model(Target::AiPlatform, &lineage(registered, "3"));
            assert_eq!(name, expected);
            assert!(is_name(&name));
        }
        let of = |lineage: &Lineage| {
            let target = Target::AiPlatform;
            (default_model(target, lineage), default_version(target, lineage))
        };
        assert!(is_name(&of(&lineage(&"9".repeat(300), "3")).0));
        assert_eq!(of(&Lineage::default()), ("model".into(), "v1".into()));
        assert_eq!(of(&lineage("iris", "3")).1, "v3");
        assert_eq!(of(&lineage("iris", "3-x")).1, "v1");
    }

    #[test]
    fn defaults_that_vertex_takes() {
        for (registered, version, model, expected) in [
            ("Iris flowers", "3", "Iris flowers", "v3"),
            ("日本", "3-x", "model", "v3-x"),
            ("", "_", "model", "v1"),
        ] {
            let lineage = lineage(registered, version);
            let found = (
                default_model(Target::Vertex, &lineage),
                default_version(Target::Vertex, &lineage),
            );
            assert_eq!(found, (model.into(), expected.into()));
            check_vertex(&found.0, &found.1).unwrap();
        }
        for (model, version) in
            [("2024", "v1"), ("iris", "V1"), ("iris", "v_1"), ("iris", "default")]
        {
            assert!(check_vertex(model, version).is_err(), "{model} {version}");
        }
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
