//! Who is asked, and how.

use gcp::vertex::predict as vertex;
use gcp::{Request, Service, ml};
use log::debug;
use serde_json::value::RawValue;
use stage::Failure;

use crate::explain;

/// What answers: a model or a version of AI Platform, an endpoint of Vertex AI.
pub(crate) struct Oracle {
    pub(crate) service: Service,
    /// Without a body.
    pub(crate) request: Request,
    /// The largest request that is taken, and on Vertex AI the largest answer.
    pub(crate) limit: usize,
    /// For messages: the resource's name.
    pub(crate) name: String,
    pub(crate) api: Api,
}

pub(crate) enum Api {
    AiPlatform,
    /// With the names of the versions by the ids of what is deployed of them.
    Vertex(Vec<(String, String)>),
}

/// The parts of an answer, as they came.
pub(crate) struct Told {
    pub(crate) predictions: Box<RawValue>,
    pub(crate) explanations: Option<Box<RawValue>>,
    /// The version that answered, where the service says so.
    pub(crate) version: Option<String>,
}

/// Why there is none.
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    /// Whether fewer instances may be answered.
    pub(crate) too_large: bool,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, too_large: false }
    }
}

impl Oracle {
    /// A model's or a version's name.
    pub(crate) fn ai_platform(service: Service, name: String) -> Self {
        let request = Request::new("POST", format!("/v1/{name}:predict"));
        let limit = ml::REQUEST_LIMIT;
        Self { service, request, limit, name, api: Api::AiPlatform }
    }

    /// Whether numbers go through doubles on their way.
    pub(crate) fn rounds(&self) -> bool {
        matches!(self.api, Api::Vertex(_))
            && [":predict", ":explain"].iter().any(|method| self.request.path.ends_with(method))
    }

    /// `which` instances these are, for messages.
    pub(crate) fn ask(&self, body: Vec<u8>, which: &str) -> Result<Told, Refusal> {
        let context = || format!("cannot get predictions from '{}' for {which}", self.name);
        match &self.api {
            Api::AiPlatform => match ml::predict(&self.service, &self.name, body) {
                Ok(Ok(predictions)) => Ok(Told { predictions, explanations: None, version: None }),
                Ok(Err(text)) => {
                    Err(explain::predictor(Failure::failed(context()).because(text)).into())
                }
                Err(error) => Err(explain::ai_platform(error, context()).into()),
            },
            Api::Vertex(versions) => {
                let request = Request { body: Some(body), ..self.request.clone() };
                let answer = vertex::ask(&self.service, &request).map_err(|error| Refusal {
                    too_large: explain::is_too_large(&error),
                    failure: explain::vertex(error, context()),
                })?;
                let id = answer.deployed_model;
                let version = id.as_ref().map(|id| {
                    let known = versions.iter().find(|(known, _)| known == id);
                    debug!("{which}: deployed model {id} answered");
                    known.map_or_else(|| id.clone(), |(_, version)| version.clone())
                });
                let (predictions, explanations) = (answer.predictions, answer.explanations);
                Ok(Told { predictions, explanations, version })
            }
        }
    }
}
