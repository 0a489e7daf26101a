//! A model at a service.

use deployment::{Spec, Target};
use gcp::Service;
use stage::Failure;

use crate::{ai_platform, vertex};

#[derive(Debug)]
pub enum Place {
    AiPlatform(ai_platform::Place),
    Vertex(vertex::Place),
}

impl Place {
    pub fn target(&self) -> Target {
        match self {
            Self::AiPlatform(_) => Target::AiPlatform,
            Self::Vertex(_) => Target::Vertex,
        }
    }

    /// For what AI Platform alone can do; `what` it is, such as `a default version`.
    pub fn ai_platform(&self, what: &str) -> Result<&ai_platform::Place, Failure> {
        match self {
            Self::AiPlatform(place) => Ok(place),
            Self::Vertex(_) => {
                Err(Failure::usage(format!("there is no {what} on target '{}'", Target::Vertex)))
            }
        }
    }

    /// For what Vertex AI alone can do; `what` it is, such as `a traffic split`.
    pub fn vertex(&self, what: &str) -> Result<&vertex::Place, Failure> {
        match self {
            Self::Vertex(place) => Ok(place),
            Self::AiPlatform(_) => Err(Failure::usage(format!(
                "there is no {what} on target '{}'",
                Target::AiPlatform
            ))
            .hint(format!("give --target {}, if that is where the model is", Target::Vertex))),
        }
    }

    pub fn service(&self) -> &Service {
        match self {
            Self::AiPlatform(place) => &place.service,
            Self::Vertex(place) => &place.service,
        }
    }

    /// The model's name, as the person calls it.
    pub fn model(&self) -> &str {
        match self {
            Self::AiPlatform(place) => &place.model,
            Self::Vertex(place) => &place.model,
        }
    }
}

/// The target that was settled on.
pub(crate) fn target(spec: &Spec) -> Target {
    spec.target.unwrap_or(Target::DEFAULT)
}

/// Refuses flags that mean something to the other target alone. `given` names
/// those that were given.
pub fn refuse_flags(target: Target, given: &[String]) -> Result<(), Failure> {
    let Some(flag) = given.first() else { return Ok(()) };
    let other = match target {
        Target::Vertex => Target::AiPlatform,
        Target::AiPlatform => Target::Vertex,
    };
    let message = format!("--{flag} is for target '{other}', and this one is '{target}'");
    Err(Failure::usage(message).hint(format!("leave out --{flag}, or give --target {other}")))
}
