//! Flags that were given, by name.

use serde::Serialize;
use serde_json::Value;

/// The flags of a group that were given. The group's fields are named as its
/// flags are, and serialised as `null`, `false` or an empty list where they
/// were not given.
pub fn given(flags: &impl Serialize) -> Vec<String> {
    let Ok(Value::Object(flags)) = serde_json::to_value(flags) else { return Vec::new() };
    let is_given = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(given) => *given,
        Value::Array(list) => !list.is_empty(),
        _ => true,
    };
    flags.into_iter().filter(|(_, value)| is_given(value)).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Flags {
        min_nodes: Option<u32>,
        spot: bool,
        env: Vec<String>,
    }

    #[test]
    fn what_was_given_is_named_as_the_flag_is() {
        assert!(given(&Flags::default()).is_empty());
        let flags = Flags { min_nodes: Some(0), spot: true, env: vec!["A=1".into()] };
        assert_eq!(given(&flags), ["min-nodes", "spot", "env"]);
    }
}
