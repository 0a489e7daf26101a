//! `$NAME` and `${NAME}` in a build's steps and images.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What every build knows of itself.
pub(super) struct BuiltIn<'a> {
    pub(super) project: &'a str,
    pub(super) project_number: &'a str,
    pub(super) location: &'a str,
    pub(super) build: &'a str,
}

impl BuiltIn<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "PROJECT_ID" => Some(self.project),
            "PROJECT_NUMBER" => Some(self.project_number),
            "LOCATION" => Some(self.location),
            "BUILD_ID" => Some(self.build),
            _ => None,
        }
    }
}

/// Fills in the steps, images and tags. As with the service, a name without a
/// value is an error, and so is a value that nothing asks for, unless the
/// build's options are loose about it.
pub(super) fn apply(build: &mut Map<String, Value>, built_in: &BuiltIn) -> Result<(), String> {
    let own = build.get("substitutions").and_then(Value::as_object).cloned().unwrap_or_default();
    let bad = own.keys().find(|name| !name.starts_with('_'));
    if let Some(name) = bad {
        return Err(format!("substitution key {name} does not begin with an underscore"));
    }
    let is_loose = build.get("options").is_some_and(|o| o["substitutionOption"] == "ALLOW_LOOSE");
    let mut used = BTreeSet::new();
    for field in ["steps", "images", "tags"] {
        if let Some(value) = build.get_mut(field) {
            fill(value, &mut |name| {
                used.insert(name.to_owned());
                let known = own.get(name).and_then(Value::as_str).or_else(|| built_in.get(name));
                match known {
                    Some(known) => Ok(known.to_owned()),
                    None if is_loose => Ok(String::new()),
                    None if name.starts_with('_') => Err(format!(
                        "key in the template \"{name}\" is not matched in the substitution data"
                    )),
                    None => Err(format!(
                        "key in the template \"{name}\" is not a valid built-in substitution"
                    )),
                }
            })?;
        }
    }
    match own.keys().find(|name| !used.contains(*name) && !is_loose) {
        Some(name) => {
            Err(format!("key in the substitution data \"{name}\" is not matched in the template"))
        }
        None => Ok(()),
    }
}

type Find<'a> = dyn FnMut(&str) -> Result<String, String> + 'a;

fn fill(value: &mut Value, find: &mut Find) -> Result<(), String> {
    match value {
        Value::String(text) => *text = filled(text, find)?,
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, find))?,
        Value::Object(fields) => fields.values_mut().try_for_each(|field| fill(field, find))?,
        _ => {}
    }
    Ok(())
}

fn filled(text: &str, find: &mut Find) -> Result<String, String> {
    let mut parts = text.split('$');
    let mut done = parts.next().unwrap_or_default().to_owned();
    let mut is_escaped = false;
    for part in parts {
        // `$$` is a dollar
        if std::mem::take(&mut is_escaped) {
            done.push_str(part);
            continue;
        }
        if part.is_empty() {
            done.push('$');
            is_escaped = true;
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, rest) = match part.strip_prefix('{').and_then(|part| part.split_once('}')) {
            Some((name, rest)) => (name, rest),
            None => part.split_at(part.find(|c| !is_name(c)).unwrap_or(part.len())),
        };
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(format!("\"${part}\" is no substitution"));
        }
        done.push_str(&find(name)?);
        done.push_str(rest);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn images(image: &str, substitutions: &Value) -> Result<Value, String> {
        let mut build = Map::from_iter([
            ("images".to_owned(), json!([image])),
            ("substitutions".to_owned(), substitutions.clone()),
        ]);
        let built_in = BuiltIn { project: "p", project_number: "12", location: "l", build: "id" };
        apply(&mut build, &built_in)?;
        Ok(build["images"][0].clone())
    }

    #[test]
    fn names_are_filled_in() {
        let own = json!({ "_IMAGE": "h/i:v1" });
        assert_eq!(images("${_IMAGE}", &own).unwrap(), "h/i:v1");
        assert_eq!(images("a/$PROJECT_ID/${_IMAGE}@$_IMAGE!", &own).unwrap(), "a/p/h/i:v1@h/i:v1!");
        assert_eq!(images("$$HOME-$BUILD_ID", &json!({})).unwrap(), "$HOME-id");
    }

    #[test]
    fn both_sides_must_match() {
        for (image, own, said) in [
            ("$_B", json!({}), "template \"_B\" is not matched"),
            ("$HOME", json!({}), "not a valid built-in"),
            ("a", json!({"_A": "1"}), "data \"_A\" is not matched"),
            ("a", json!({"A": "1"}), "underscore"),
        ] {
            let refused = images(image, &own).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
