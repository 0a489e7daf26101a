//! A model and its endpoint, by name.

use deployment::Spec;
use deployment::names::{ID_LIMIT, NAME_LIMIT, resource_id};
use gcp::{Service, vertex};
use stage::{Failure, settings};

#[derive(Debug)]
pub struct Place {
    pub service: Service,
    pub project: String,
    pub location: String,
    /// The display name of model and endpoint. Empty where a verb is about
    /// none, as the ids are then.
    pub model: String,
    pub model_id: String,
    pub endpoint_id: String,
}

impl Place {
    pub(crate) fn new(service: Service, project: String, location: String) -> Self {
        let (model, model_id, endpoint_id) = (String::new(), String::new(), String::new());
        Self { service, project, location, model, model_id, endpoint_id }
    }

    pub(crate) fn of_model(
        self,
        model: String,
        endpoint_id: Option<String>,
        spec: &mut Spec,
    ) -> Result<Self, Failure> {
        let id = resource_id(&model).filter(|_| model.chars().count() <= NAME_LIMIT);
        let model_id = id.ok_or_else(|| {
            Failure::usage(format!("'{model}' cannot be the name of a model of target 'vertex'"))
                .hint(format!("it needs a letter, and at most {NAME_LIMIT} characters"))
        })?;
        let field = &mut spec.vertex.endpoint_id;
        let endpoint_id =
            settings::ENDPOINT_ID.resolve(endpoint_id, field, Some(model_id.clone()))?;
        let endpoint_id = endpoint_id.unwrap_or_default();
        check_endpoint_id(&endpoint_id)?;
        Ok(Self { model, model_id, endpoint_id, ..self })
    }

    /// `projects/P/locations/L`.
    pub fn location_name(&self) -> String {
        vertex::location_name(&self.project, &self.location)
    }

    /// `projects/P/locations/L/models/M`.
    pub fn model_name(&self) -> String {
        format!("{}/models/{}", self.location_name(), self.model_id)
    }

    /// `projects/P/locations/L/models/M@V`, of a version by alias or number.
    pub fn version_name(&self, version: &str) -> String {
        format!("{}@{version}", self.model_name())
    }

    /// `projects/P/locations/L/endpoints/E`.
    pub fn endpoint_name(&self) -> String {
        format!("{}/endpoints/{}", self.location_name(), self.endpoint_id)
    }
}

/// One that we make has letters; the service numbers those that are made
/// without an id.
fn check_endpoint_id(id: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ours = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(plain)
        && !id.ends_with('-')
        && id.len() <= ID_LIMIT;
    let numbered = !id.is_empty() && id.chars().all(|c| c.is_ascii_digit());
    if ours || numbered {
        return Ok(());
    }
    let form = "a letter, then lower-case letters, digits and '-', at most 63; or a number";
    Err(Failure::usage(format!("'{id}' cannot be the id of an endpoint")).hint(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_have_ids_of_two_kinds() {
        for id in ["iris", "iris-2", "7", "591020730428000000"] {
            assert!(check_endpoint_id(id).is_ok(), "{id}");
        }
        for id in ["", "Iris", "iris-", "iris_2", "7a", "../x", &"a".repeat(64)] {
            assert!(check_endpoint_id(id).is_err(), "{id}");
        }
    }
}
