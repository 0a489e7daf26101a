//! MLmodel: what a model says of itself.

use std::fmt::Display;

use deployment::{Example, Extra, Signature};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;

/// Larger than any that MLflow writes.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The fields that a deployment needs; the rest stays in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MlModel {
    pub flavors: Extra,
    pub run_id: Option<String>,
    pub model_id: Option<String>,
    pub mlflow_version: Option<String>,
    pub signature: Option<Signature>,
    pub input_example: Option<Example>,
    /// Names alone: MLflow notes which variables were set when it was logged.
    pub environment_variables: Vec<String>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    flavors: Extra,
    run_id: Option<String>,
    model_id: Option<String>,
    model_uuid: Option<String>,
    mlflow_version: Option<String>,
    signature: Option<RawSignature>,
    saved_input_example_info: Option<RawExample>,
    env_vars: Option<Vec<String>>,
}

/// Each part is JSON in a string.
#[derive(Deserialize)]
struct RawSignature {
    inputs: Option<String>,
    outputs: Option<String>,
    params: Option<String>,
}

#[derive(Deserialize)]
struct RawExample {
    artifact_path: Option<String>,
    serving_input_path: Option<String>,
    #[serde(rename = "type")]
    shape: Option<String>,
}

impl MlModel {
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let raw: Raw = serde_yaml_ng::from_slice(bytes).map_err(|error| unusable(&error))?;
        // MLflow 3 has both, and they are the same.
        let model_id = raw.model_id.or(raw.model_uuid.filter(|uuid| crate::uri::is_model_id(uuid)));
        Ok(Self {
            flavors: raw.flavors,
            run_id: raw.run_id,
            model_id,
            mlflow_version: raw.mlflow_version,
            signature: raw.signature.map(signature).transpose()?,
            input_example: raw.saved_input_example_info.and_then(example),
            environment_variables: raw.env_vars.unwrap_or_default(),
        })
    }

    /// The flavor that any MLflow can load and predict with.
    pub fn pyfunc(&self) -> Option<&Extra> {
        self.flavors.get("python_function")?.as_object()
    }

    pub fn python_version(&self) -> Option<&str> {
        self.pyfunc()?.get("python_version")?.as_str()
    }
}

fn unusable(error: &dyn Display) -> Error {
    Error::Broken {
        message: format!("MLmodel is unusable: {error}"),
        hint: Some("MLflow writes it when it saves a model; log the model again".into()),
    }
}

fn signature(raw: RawSignature) -> Result<Signature, Error> {
    let part = |name: &str, text: Option<String>| -> Result<Option<Value>, Error> {
        let Some(text) = text else { return Ok(None) };
        serde_json::from_str(&text)
            .map(|value| Some(value).filter(|value: &Value| !value.is_null()))
            .map_err(|error| unusable(&format!("{name} of the signature is not JSON: {error}")))
    };
    Ok(Signature {
        inputs: part("inputs", raw.inputs)?,
        outputs: part("outputs", raw.outputs)?,
        params: part("params", raw.params)?,
        ..Signature::default()
    })
}

fn example(raw: RawExample) -> Option<Example> {
    Some(Example {
        path: raw.artifact_path?,
        serving_path: raw.serving_input_path,
        shape: raw.shape,
        ..Example::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKLEARN: &str = r#"
artifact_path: mlflow-artifacts:/1/models/m-e8c10795affd49e3b5d48741d029dd3c/artifacts
env_vars: [MY_SERVICE_API_KEY]
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    python_version: 3.11.7
  sklearn:
    code: null
    sklearn_version: 1.9.1
mlflow_version: 3.17.2
model_id: m-e8c10795affd49e3b5d48741d029dd3c
model_size_bytes: 1723
prompts: null
run_id: 8cb1e82f458e433d9bfc68ae720af80d
saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  serving_input_path: serving_input_example.json
  type: dataframe
signature:
  inputs: '[{"type": "double", "name": "sepal length (cm)", "required": true},
    {"type": "double", "name": "width"}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
  params: null
utc_time_created: 2026-11-22 17:51:12.277100
"#;

    #[test]
    fn a_model_as_mlflow_writes_it() {
        let model = MlModel::parse(SKLEARN.as_bytes()).unwrap();
        assert_eq!(model.python_version(), Some("3.11.7"));
        assert_eq!(model.flavors.keys().collect::<Vec<_>>(), ["python_function", "sklearn"]);
        assert_eq!(model.flavors["sklearn"]["code"], Value::Null);
        assert_eq!(model.model_id.as_deref(), Some("m-e8c10795affd49e3b5d48741d029dd3c"));
        let signature = model.signature.unwrap();
        assert_eq!(signature.inputs.unwrap()[0]["name"], "sepal length (cm)");
        assert_eq!(signature.outputs.unwrap()[0]["tensor-spec"]["shape"].to_string(), "[-1]");
        assert_eq!(signature.params, None);
        let example = model.input_example.unwrap();
        assert_eq!(example.serving_path.as_deref(), Some("serving_input_example.json"));
        assert_eq!(model.environment_variables, ["MY_SERVICE_API_KEY"]);
    }

    #[test]
    fn mlflow_2_has_a_uuid_that_is_no_model_id() {
        let model = MlModel::parse(b"model_uuid: 0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!((model.model_id.clone(), model.pyfunc()), (None, None));
    }

    #[test]
    fn what_is_no_mlmodel_is_said_to_be_none() {
        let deep = "[".repeat(10_000);
        let bomb = "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n".to_owned()
            + "c: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n"
            + "e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n"
            + "flavors: {x: [*f,*f,*f,*f,*f,*f,*f,*f]}";
        for text in [
            "flavors: [",
            "- a",
            "\u{0}",
            "flavors: 3",
            "signature: {inputs: '[{'}",
            &deep,
            &bomb,
            "signature: {inputs: [1]}",
            "run_id: [x]",
        ] {
            let error = MlModel::parse(text.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("MLmodel is unusable: "), "{error}");
        }
    }
}
