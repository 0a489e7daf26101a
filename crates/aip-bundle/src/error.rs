//! Why no bundle was made.

use std::io;
use std::path::PathBuf;

use deployment::{Explain, Kind, is_full};
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("the model's directory '{0}' is not there")]
    NoDirectory(PathBuf),
    #[error("the model has no MLmodel file in '{0}'")]
    NoMlmodel(String),
    #[error("the model has no python_function flavor, only {0}")]
    NoPyfunc(String),
    #[error("the model's file '{0}' is not a path below its directory")]
    Escapes(String),
    #[error("the model's file '{0}' has no digest in the document")]
    NoDigest(String),
    #[error("the model's file '{path}' is not here, and {what} needs it")]
    NotHere { path: String, what: &'static str },
    #[error("the model's file '{path}' changed after it was fetched: {found}")]
    Changed { path: String, found: String },
    #[error("cannot read '{path}'")]
    Read { path: String, source: io::Error },
    #[error("'{0}' is not UTF-8 text")]
    NotText(String),
    #[error("cannot read conda.yaml")]
    Conda(#[source] serde_yaml_ng::Error),
    #[error("{origin} names no requirement: '{text}'")]
    Requirement { origin: String, text: String },
    #[error("the requirement '{0}' has a credential in its URL")]
    Credential(String),
    #[error("'{0}' is not a version of Python such as 3.7")]
    PythonVersion(String),
    #[error("the model does not say which version of Python it wants")]
    NoPythonVersion,
    #[error("'{0}' is no class of the module predictor")]
    PredictionClass(String),
    #[error("Vertex AI can make no id of the model name '{0}'")]
    VertexModel(String),
    #[error("the version name '{0}' cannot be the alias of a version at Vertex AI")]
    VertexVersion(String),
    #[error("cannot render '{path}'{place}: {message}")]
    Template { path: String, place: String, message: String },
    #[error("'{path}' wants the model's URI in the bucket, and no bucket is set")]
    NeedsBucket { path: String },
    #[error("the value of {keyword} cannot stand as text in '{path}': '{value}'")]
    NotPlain { path: String, keyword: String, value: String },
    #[error("'{path}' renders to no Python: {message}")]
    NotPython { path: String, message: String },
    #[error("'{0}' is there and is no bundle")]
    NotABundle(PathBuf),
    #[error("cannot write '{path}'")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot add '{path}' to the model, whose directory is on another file system")]
    CannotAdd { path: String },
    #[error("SOURCE_DATE_EPOCH is no time in seconds: '{0}'")]
    Epoch(String),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoMlmodel(_)
            | Self::NoPyfunc(_)
            | Self::Escapes(_)
            | Self::NoDigest(_)
            | Self::NotHere { .. }
            | Self::Credential(_)
            | Self::Conda(_)
            | Self::Requirement { .. } => Kind::Input,
            Self::PythonVersion(_)
            | Self::NoPythonVersion
            | Self::PredictionClass(_)
            | Self::VertexModel(_)
            | Self::VertexVersion(_)
            | Self::Epoch(_)
            | Self::NeedsBucket { .. }
            | Self::NotPlain { .. } => Kind::Usage,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoDirectory(_) | Self::Changed { .. } | Self::NoDigest(_) => {
                "run mlf-fetch again"
            }
            Self::NotHere { .. } => "run mlf-fetch with --download, and without --metadata-only",
            Self::NoMlmodel(_) => "the model URI must name the directory that holds MLmodel",
            Self::NoPyfunc(_) => "log the model with a flavor that mlflow.pyfunc can load",
            Self::Credential(_) => {
                "the document holds no secrets; replace it with --requirement NAME==VERSION"
            }
            Self::Requirement { .. } => {
                "leave the model's requirements out with --no-requirements and name each with \
                 --requirement"
            }
            Self::NoPythonVersion => "give --python-version",
            Self::VertexModel(_) => {
                "give --model with a Latin letter in it, 128 characters at most"
            }
            Self::VertexVersion(_) => {
                "give --version-name with a lower-case letter first, then letters, digits and '-', \
                 and a lower-case letter or digit last, such as v3"
            }
            Self::PredictionClass(_) => "give --prediction-class predictor.CLASS",
            Self::NeedsBucket { .. } => "give --bucket",
            Self::NotPlain { .. } => {
                "name the file *.tera and write {{ model_artifact_uri | py }} without quotes"
            }
            Self::NotABundle(_) => "give another directory with --output",
            Self::Write { source, .. } if is_full(source) => {
                "make room there, or give --output a directory elsewhere"
            }
            Self::CannotAdd { .. } => "give an --output on the file system of the model",
            _ => return None,
        };
        Some(hint.into())
    }
}
