//! Resource names and the rules for ids.

use std::fmt;

use super::refusal::invalid;
use crate::api::project::number;
use crate::error::ApiError;

/// `projects/NUMBER/locations/LOCATION`: the service answers with numbers,
/// whatever it was asked by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub number: String,
    pub location: String,
}

impl Place {
    pub(super) fn new(project: &str, location: &str) -> Self {
        Self { number: number(project), location: location.to_owned() }
    }

    pub(super) fn model(&self, id: &str) -> String {
        format!("{self}/models/{id}")
    }

    pub(super) fn endpoint(&self, id: &str) -> String {
        format!("{self}/endpoints/{id}")
    }

    pub(super) fn job(&self, id: &str) -> String {
        format!("{self}/batchPredictionJobs/{id}")
    }

    /// The id in a full name of this place's `collection`.
    pub(super) fn id_in<'a>(&self, collection: &str, name: &'a str) -> Option<&'a str> {
        let parts: Vec<&str> = name.split('/').collect();
        let ["projects", project, "locations", location, found, id] = parts.as_slice() else {
            return None;
        };
        let is_here = Self::new(project, location) == *self && *found == collection;
        (is_here && !id.is_empty()).then_some(id)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/locations/{}", self.number, self.location)
    }
}

/// `iris@3`, `iris@champion`, `iris`: the model and which version of it.
pub(super) fn split_version(id: &str) -> (&str, Option<&str>) {
    match id.split_once('@') {
        Some((model, version)) => (model, Some(version)),
        None => (id, None),
    }
}

const MAX_ID: usize = 63;
const MAX_DISPLAY_NAME: usize = 128;

pub(super) fn check_model_id(id: &str) -> Result<(), ApiError> {
    let is_valid = id.len() <= MAX_ID
        && id.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && id.chars().all(|c| is_lower(c) || c == '-' || c == '_');
    if is_valid {
        return Ok(());
    }
    Err(invalid(&format!(
        "The model ID '{id}' is invalid: it may have up to {MAX_ID} characters of [a-z0-9_-], and \
         the first character cannot be a number or hyphen."
    )))
}

pub(super) fn check_endpoint_id(id: &str) -> Result<(), ApiError> {
    let is_number = id.starts_with(|c: char| c.is_ascii_digit());
    let is_valid = if is_number {
        id.len() <= 9 && !id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit())
    } else {
        id.len() <= MAX_ID
            && id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.ends_with(is_lower)
            && id.chars().all(|c| is_lower(c) || c == '-')
    };
    if is_valid {
        return Ok(());
    }
    Err(invalid(&format!(
        "The endpoint ID '{id}' is invalid: it is either up to {MAX_ID} characters of [a-z0-9-] \
         from a letter to a letter or number, or up to 9 digits without leading zeros."
    )))
}

pub(super) fn check_deployed_model_id(id: &str) -> Result<(), ApiError> {
    if (1..=10).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let text = format!("The DeployedModel ID '{id}' is invalid: it should be 1-10 digits.");
    Err(invalid(&text))
}

/// `[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]`, which no version id is
pub(super) fn check_alias(alias: &str) -> Result<(), ApiError> {
    let is_valid = (2..=128).contains(&alias.len())
        && alias.starts_with(|c: char| c.is_ascii_lowercase())
        && alias.ends_with(is_lower)
        && alias.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_valid {
        return Ok(());
    }
    Err(invalid(&format!(
        "The version alias '{alias}' is invalid: it must match \
         [a-z][a-zA-Z0-9-]{{0,126}}[a-z0-9]."
    )))
}

pub(super) fn check_display_name(resource: &str, name: &str) -> Result<(), ApiError> {
    match name.chars().count() {
        0 => Err(invalid(&format!("{resource}.display_name is required."))),
        1..=MAX_DISPLAY_NAME => Ok(()),
        _ => Err(invalid(&format!(
            "{resource}.display_name may have up to {MAX_DISPLAY_NAME} characters."
        ))),
    }
}

fn is_lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_the_same_by_id_and_number() {
        let place = Place::new("acme", "us-central1");
        let by_id = "projects/acme/locations/us-central1/models/iris@2";
        let by_number = format!("{place}/models/iris@2");
        assert_eq!(place.id_in("models", by_id), Some("iris@2"));
        assert_eq!(place.id_in("models", &by_number), Some("iris@2"));
        for other in [
            "projects/other/locations/us-central1/models/iris",
            "projects/acme/locations/europe-west1/models/iris",
            "projects/acme/locations/us-central1/endpoints/iris",
            "projects/acme/locations/us-central1/models/",
            "iris",
        ] {
            assert_eq!(place.id_in("models", other), None, "{other}");
        }
    }

    #[test]
    fn ids_are_as_the_api_describes_them() {
        let long = "a".repeat(64);
        for (check, good, bad) in [
            (
                check_model_id as fn(&str) -> _,
                vec!["iris", "_a", "a-b_1"],
                vec!["", "1a", "-a", "A", "a.b", long.as_str()],
            ),
            (
                check_endpoint_id,
                vec!["iris", "a-1", "123456789", "1"],
                vec!["", "012", "1234567890", "1a", "a-", "a_b", "A", long.as_str()],
            ),
            (check_deployed_model_id, vec!["1", "0123456789"], vec!["", "12345678901", "a"]),
            (check_alias, vec!["v3", "golden", "rc-1A2"], vec!["", "v", "3", "V3", "v-", "v.1"]),
        ] {
            for id in good {
                assert!(check(id).is_ok(), "{id}");
            }
            for id in bad {
                assert!(check(id).is_err(), "{id}");
            }
        }
    }
}
