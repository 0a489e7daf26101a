//! The predictions that a version is held against.

use std::path::Path;

use deployment::Deployment;
use serde_json::{Map, Value, json};
use stage::Failure;
use transport::Digest;

#[derive(Debug)]
pub(super) struct Expected {
    instances: Vec<Value>,
    parameters: Option<Value>,
    pub(super) predictions: Value,
}

impl Expected {
    /// What was recorded with the bundle.
    pub(super) fn recorded(document: &Deployment) -> Result<Self, Failure> {
        let missing = || {
            Failure::input("there are no recorded predictions to hold the new version against")
                .hint("log the model with an input example, and run aip-bundle again")
                .hint("or give --expect FILE, or --no-check")
        };
        let bundle = document.stages.bundle.as_ref().ok_or_else(missing)?;
        let file = bundle.expected.as_ref().ok_or_else(missing)?;
        let path = Path::new(&bundle.directory).join(&file.path);
        let content = content(&path)?;
        if !file.sha256.is_empty() && Digest::of_bytes(&content).sha256 != file.sha256 {
            let message = format!("'{}' is not what the bundle recorded", path.display());
            return Err(Failure::failed(message).hint("run aip-bundle again"));
        }
        Self::parse(&content, &path)
    }

    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        Self::parse(&content(path)?, path)
    }

    fn parse(content: &[u8], path: &Path) -> Result<Self, Failure> {
        const FORM: &str = "it is {\"instances\": [...], \"predictions\": ...}, with \
            \"parameters\" where the model takes any";
        let unusable =
            || Failure::input(format!("cannot use the predictions in '{}'", path.display()));
        let mut fields: Map<String, Value> =
            serde_json::from_slice(content).map_err(|error| unusable().cause(&error).hint(FORM))?;
        match (fields.remove("instances"), fields.remove("predictions")) {
            (Some(Value::Array(instances)), Some(predictions)) if !instances.is_empty() => {
                let parameters = fields.remove("parameters").filter(|value| !value.is_null());
                Ok(Self { instances, parameters, predictions })
            }
            _ => Err(unusable().because("instances or predictions are missing").hint(FORM)),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.instances.len()
    }

    /// The request that asks for them.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = json!({"instances": self.instances});
        if let Some(parameters) = &self.parameters {
            body["parameters"] = parameters.clone();
        }
        body.to_string().into_bytes()
    }
}

fn content(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::failed(format!("cannot read '{}'", path.display())).cause(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Expected, Failure> {
        Expected::parse(text.as_bytes(), Path::new("f"))
    }

    #[test]
    fn what_is_expected_is_asked_for_digit_for_digit() {
        let expected = parse(
            r#"{"instances": [[1.50, 9007199254740993]], "predictions": [0], "parameters": {"a": 1}}"#,
        );
        let expected = expected.unwrap();
        let body = String::from_utf8(expected.body()).unwrap();
        assert_eq!(body, r#"{"instances":[[1.50,9007199254740993]],"parameters":{"a":1}}"#);
        assert_eq!(expected.predictions, json!([0]));
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused() {
        for bad in
            ["", "[]", "{}", r#"{"instances": [], "predictions": []}"#, r#"{"instances": [1]}"#]
        {
            assert!(format!("{:?}", parse(bad).unwrap_err()).contains("'f'"), "{bad}");
        }
    }
}
