//! Names that AI Platform took and Vertex AI does not.

use deployment::Deployment;
use deployment::names::{NAME_LIMIT, is_alias};
use stage::Failure;

use crate::create::STAGE;

/// A model keeps its name, of which ids are made. A version's name becomes an
/// alias, and whoever looks for it hears of it.
pub(super) fn settle(document: &mut Deployment) -> Result<(), Failure> {
    let Some(version) = &document.spec.version else { return Ok(()) };
    let mapped = alias(version).ok_or_else(|| {
        Failure::usage(format!("'{version}' cannot be the name of a version of target 'vertex'"))
            .hint("choose another with --version-name")
    })?;
    if mapped != *version {
        let message = format!("version '{version}' is called '{mapped}' on Vertex AI");
        let hint = "choose another name with --version-name";
        stage::warn(document, STAGE, message, Some(hint.into()));
        document.spec.version = Some(mapped);
    }
    Ok(())
}

/// Letters and digits stay, in lower case where the form asks for it.
fn alias(version: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = version.chars().map(plain).take(NAME_LIMIT).collect();
    let name = name.trim_matches('-');
    // One letter alone is too short.
    let name = if name.len() == 1 { format!("v-{name}") } else { name.to_owned() };
    let name = if version == "default" { "v-default".into() } else { name };
    if is_alias(version) && version != "default" {
        return Some(version.to_owned());
    }
    Some(name).filter(|name| is_alias(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_get_names_that_vertex_takes() {
        for (version, name) in [
            ("v3", "v3"),
            ("aB9", "aB9"),
            ("v_1", "v-1"),
            ("V1_RC2_", "v1-rc2"),
            ("v", "v-v"),
            ("default", "v-default"),
        ] {
            assert_eq!(alias(version).as_deref(), Some(name), "{version}");
        }
        assert_eq!(alias("___"), None);
    }
}
