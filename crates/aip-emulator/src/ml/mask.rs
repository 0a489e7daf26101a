//! Update masks: which fields a patch means.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::refusal::{field, invalid};
pub(super) use crate::api::mask::apply;
use crate::api::mask::fields;
use crate::error::ApiError;

/// The fields of the query's `updateMask`, in camel case. Each must be one
/// that `allows` says yes to.
pub(super) fn read(
    query: &HashMap<String, String>,
    allows: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ApiError> {
    let fields = fields(query);
    if fields.is_empty() {
        return Err(invalid("update_mask", "The update mask must be present and not empty."));
    }
    if let Some(field) = fields.iter().find(|field| !allows(field)) {
        return Err(invalid("update_mask", &format!("The field '{field}' cannot be updated.")));
    }
    Ok(fields)
}

/// An etag in the request must be the one that the client last saw.
pub(super) fn check_etag(current: &str, body: &Map<String, Value>) -> Result<(), ApiError> {
    match body.get("etag").and_then(Value::as_str) {
        Some(etag) if !etag.is_empty() && etag != current => {
            Err(field(409, "ABORTED", "etag", "The resource was changed since its etag was read."))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> Result<Vec<String>, ApiError> {
        let query = HashMap::from([("updateMask".to_owned(), text.to_owned())]);
        read(&query, |field| field == "description" || field == "autoScaling.minNodes")
    }

    #[test]
    fn either_case_is_read() {
        let both = vec!["description".to_owned(), "autoScaling.minNodes".to_owned()];
        assert_eq!(mask("description, auto_scaling.min_nodes").unwrap(), both);
        assert_eq!(mask("description,autoScaling.minNodes").unwrap(), both);
        assert!(mask("").is_err() && mask("name").is_err() && mask("description,name").is_err());
    }
}
