//! Google's prebuilt containers: which of them would serve a model as MLflow does.
//!
//! They load one file of a known name with their own version of the framework
//! and hand it the instances as rows. Versions: `constants/prediction.py` of
//! google-cloud-aiplatform. Of scikit-learn only those are named that need
//! Python 3.8: older ones cannot read what pickle writes since then.

use std::fs;

use deployment::{Fetch, Signature};
use serde_json::Value;

use crate::model::Model;

const SKLEARN: [&str; 5] = ["1.2", "1.3", "1.4", "1.5", "1.6"];
const XGBOOST: [&str; 3] = ["1.7", "2.0", "2.1"];

/// A container that serves the model.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// `sklearn-cpu.1-6`.
    name: String,
    /// The model's file, and the name that the container looks for.
    pub(super) file: String,
    pub(super) wanted: &'static str,
    /// Only its content tells whether it picks columns by name, which rows have not.
    pub(super) must_be_read: bool,
}

impl Fit {
    pub(super) fn uri(&self, region: &str) -> String {
        let area = match region.split('-').next().unwrap_or_default() {
            "europe" | "me" | "africa" => "europe",
            "asia" | "australia" => "asia",
            _ => "us",
        };
        format!("{area}-docker.pkg.dev/vertex-ai/prediction/{}:latest", self.name)
    }
}

/// The container, or all that speaks against it.
pub(super) fn fit(
    fetched: &Fetch,
    model: &Model,
    has_own_predictor: bool,
) -> Result<Fit, Vec<String>> {
    let mut against = Vec::new();
    let pyfunc = fetched.flavors.get("python_function").unwrap_or(&Value::Null);
    let loader = text(pyfunc, "loader_module").unwrap_or("nothing");
    if has_own_predictor {
        against.push("it has a predictor of its own".into());
    }
    if model.has("preprocessor.pkl") {
        against.push("it has a preprocessor, which the container does not run".into());
    }
    let flavor = loader.strip_prefix("mlflow.").unwrap_or(loader);
    let native = fetched.flavors.get(flavor).unwrap_or(&Value::Null);
    if [pyfunc, native].iter().any(|one| text(one, "code").is_some()) {
        against.push("it brings code of its own (code_paths)".into());
    }
    let found = match loader {
        "mlflow.sklearn" => {
            sklearn(pyfunc, native, model, fetched.signature.as_ref(), &mut against)
        }
        "mlflow.xgboost" => xgboost(native, model, fetched.signature.as_ref(), &mut against),
        other => {
            against.push(format!(
                "there are containers for mlflow.sklearn and mlflow.xgboost, not for {other}"
            ));
            None
        }
    };
    match found {
        Some(fit) if against.is_empty() => Ok(fit),
        _ => Err(against),
    }
}

fn sklearn(
    pyfunc: &Value,
    native: &Value,
    model: &Model,
    signature: Option<&Signature>,
    against: &mut Vec<String>,
) -> Option<Fit> {
    let name =
        container("sklearn", "scikit-learn", text(native, "sklearn_version"), &SKLEARN, against);
    let format = text(native, "serialization_format").unwrap_or("unknown");
    if format != "pickle" {
        against.push(format!(
            "it is serialized as {format}; log it with serialization_format=\"pickle\""
        ));
    }
    if let Some(method) = text(pyfunc, "predict_fn").filter(|method| *method != "predict") {
        against.push(format!("it answers with {method}, the container with predict"));
    }
    let file = text(native, "pickled_model").unwrap_or_default();
    let must_be_read = has_names(signature);
    if !model.has(file) {
        against.push(format!("its file '{file}' is not there"));
    } else if must_be_read && takes_names(model, file) {
        against.push("it picks columns by name, and the container gives it rows".into());
    }
    let wanted = if file.ends_with(".joblib") { "model.joblib" } else { "model.pkl" };
    refuse_another(model, file, wanted, against);
    Some(Fit { name: name?, file: file.into(), wanted, must_be_read })
}

fn xgboost(
    native: &Value,
    model: &Model,
    signature: Option<&Signature>,
    against: &mut Vec<String>,
) -> Option<Fit> {
    let name = container("xgboost", "XGBoost", text(native, "xgb_version"), &XGBOOST, against);
    let class = text(native, "model_class").unwrap_or("xgboost.core.Booster");
    if class != "xgboost.core.Booster" {
        against.push(format!("it is a {class}, and the container answers as a Booster does"));
    }
    let file = text(native, "data").unwrap_or_default();
    if !model.has(file) {
        against.push(format!("its file '{file}' is not there"));
    }
    if has_names(signature) {
        against.push("its columns have names, and the container gives it rows without any".into());
    }
    let wanted = "model.bst";
    refuse_another(model, file, wanted, against);
    Some(Fit { name: name?, file: file.into(), wanted, must_be_read: false })
}

/// The file is given the name that the container looks for, so no other may have it.
fn refuse_another(model: &Model, file: &str, wanted: &str, against: &mut Vec<String>) {
    if file != wanted && model.has(wanted) {
        against.push(format!("it has a '{wanted}' besides its own file '{file}'"));
    }
}

/// A model that was made with another minor version may answer differently.
fn container(
    framework: &str,
    title: &str,
    version: Option<&str>,
    known: &[&str],
    against: &mut Vec<String>,
) -> Option<String> {
    let version = version.unwrap_or("unknown");
    let mut parts = version.split('.');
    let minor = format!("{}.{}", parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    if known.contains(&minor.as_str()) {
        return Some(format!("{framework}-cpu.{}", minor.replace('.', "-")));
    }
    against.push(format!("it was made with {title} {version}; there are {}", known.join(", ")));
    None
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn has_names(signature: Option<&Signature>) -> bool {
    let inputs = signature.and_then(|signature| signature.inputs.as_ref());
    let columns = inputs.and_then(Value::as_array).into_iter().flatten();
    columns.into_iter().any(|column| column["name"].is_string())
}

/// What names a ColumnTransformer's columns stands in the pickle.
fn takes_names(model: &Model, file: &str) -> bool {
    let transformer = b"ColumnTransformer";
    fs::read(model.directory.join(file))
        .is_ok_and(|bytes| bytes.windows(transformer.len()).any(|window| window == transformer))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fetched(flavors: Value) -> Fetch {
        Fetch { flavors: serde_json::from_value(flavors).unwrap(), ..Fetch::default() }
    }

    fn sklearn_flavors(version: &str, format: &str) -> Value {
        json!({
            "python_function": {"loader_module": "mlflow.sklearn", "predict_fn": "predict"},
            "sklearn": {"sklearn_version": version, "serialization_format": format,
                        "pickled_model": "model.pkl", "code": null}
        })
    }

    #[test]
    fn models_that_fit() {
        let scratch = tempfile::tempdir().unwrap();
        let model = Model::for_test(scratch.path(), &[("model.pkl", "x"), ("model.ubj", "x")]);
        let found = fit(&fetched(sklearn_flavors("1.5.2", "pickle")), &model, false).unwrap();
        assert_eq!((found.wanted, found.must_be_read), ("model.pkl", false));
        let mut named = fetched(sklearn_flavors("1.5.2", "pickle"));
        let inputs = json!([{"name": "a", "type": "double"}]);
        named.signature = Some(Signature { inputs: Some(inputs), ..Signature::default() });
        assert!(fit(&named, &model, false).unwrap().must_be_read);
        assert_eq!(
            found.uri("europe-west1"),
            "europe-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"
        );
        assert!(found.uri("me-west1").starts_with("europe-"));
        assert!(found.uri("australia-southeast1").starts_with("asia-"));
        assert!(found.uri("southamerica-east1").starts_with("us-"));
        let booster = json!({
            "python_function": {"loader_module": "mlflow.xgboost"},
            "xgboost": {"xgb_version": "2.1.4", "data": "model.ubj", "model_class": "xgboost.core.Booster"}
        });
        let found = fit(&fetched(booster), &model, false).unwrap();
        assert_eq!((found.file.as_str(), found.wanted), ("model.ubj", "model.bst"));
    }

    #[test]
    fn another_file_with_the_name_that_is_looked_for_is_in_the_way() {
        let scratch = tempfile::tempdir().unwrap();
        let model = Model::for_test(scratch.path(), &[("sk.pkl", "x"), ("model.pkl", "y")]);
        let mut flavors = sklearn_flavors("1.5.2", "pickle");
        flavors["sklearn"]["pickled_model"] = "sk.pkl".into();
        let reasons = fit(&fetched(flavors), &model, false).unwrap_err();
        assert_eq!(reasons, ["it has a 'model.pkl' besides its own file 'sk.pkl'"]);
    }

    #[test]
    fn every_reason_is_said() {
        let scratch = tempfile::tempdir().unwrap();
        let files = [("model.pkl", "a ColumnTransformer"), ("preprocessor.pkl", "")];
        let model = Model::for_test(scratch.path(), &files);
        let mut bad = sklearn_flavors("1.9.1", "skops");
        bad["python_function"]["predict_fn"] = "predict_proba".into();
        bad["sklearn"]["code"] = "code".into();
        let mut bad = fetched(bad);
        let inputs = json!([{"name": "a", "type": "double"}]);
        bad.signature = Some(Signature { inputs: Some(inputs), ..Signature::default() });
        let reasons = fit(&bad, &model, true).unwrap_err();
        assert_eq!(
            reasons,
            [
                "it has a predictor of its own",
                "it has a preprocessor, which the container does not run",
                "it brings code of its own (code_paths)",
                "it was made with scikit-learn 1.9.1; there are 1.2, 1.3, 1.4, 1.5, 1.6",
                "it is serialized as skops; log it with serialization_format=\"pickle\"",
                "it answers with predict_proba, the container with predict",
                "it picks columns by name, and the container gives it rows",
            ]
        );
        let wrapped = json!({
            "python_function": {"loader_module": "mlflow.xgboost"},
            "xgboost": {"xgb_version": "2.1.4", "data": "no", "model_class": "xgboost.sklearn.XGBClassifier"}
        });
        assert_eq!(fit(&fetched(wrapped), &model, false).unwrap_err().len(), 3);
        let other = json!({"python_function": {"loader_module": "mlflow.pyfunc.model"}});
        assert_eq!(fit(&fetched(other), &model, false).unwrap_err().len(), 2);
    }
}
