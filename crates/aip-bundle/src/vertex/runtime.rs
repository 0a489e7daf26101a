//! What the image installs: the model's requirements and the server's, lighter.

use deployment::Extra;

use crate::requirements::Requirement;
use crate::serving;

const MLFLOW: &str = "mlflow";
const SKINNY: &str = "mlflow-skinny";

/// What the predictor imports, and mlflow-skinny does not bring.
pub(super) const TABLES: [&str; 2] = ["numpy", "pandas"];

/// MLflow's modules that load a model with mlflow-skinny and what the model
/// itself requires. Those for language models trace and log, and want the rest.
const LIGHT: [&str; 15] = [
    "catboost",
    "keras",
    "lightgbm",
    "onnx",
    "paddle",
    "pmdarima",
    "prophet",
    "pyfunc",
    "pytorch",
    "sentence_transformers",
    "sklearn",
    "spacy",
    "statsmodels",
    "tensorflow",
    "xgboost",
];

/// The requirements of an image.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) list: Vec<Requirement>,
    /// mlflow itself, which mlflow-skinny stands for.
    pub(crate) replaced: Option<Requirement>,
}

impl Runtime {
    pub(crate) fn of(model: &[Requirement], flavors: &Extra, full_mlflow: bool) -> Self {
        let mut runtime = Self { list: model.to_vec(), replaced: None };
        if !full_mlflow && suffices(flavors) {
            runtime.lighten();
        }
        for name in serving::REQUIREMENTS.into_iter().chain(TABLES) {
            if !runtime.names(name) {
                runtime.list.extend(Requirement::parse(name));
            }
        }
        runtime
    }

    fn lighten(&mut self) {
        let mlflow = |one: &&mut Requirement| one.key() == MLFLOW && one.url().is_none();
        let Some(mlflow) = self.list.iter_mut().find(mlflow) else { return };
        let mut skinny = mlflow.clone();
        skinny.name = SKINNY.into();
        self.replaced = Some(std::mem::replace(mlflow, skinny));
    }

    fn names(&self, key: &str) -> bool {
        self.list.iter().any(|one| one.key() == key)
    }

    /// The same as it was before mlflow-skinny, where versions that mlflow bounds
    /// are left open: only mlflow says which pandas it works with.
    pub(super) fn unbounded(&self) -> Option<Vec<Requirement>> {
        let mlflow = self.replaced.clone()?;
        let is_open = |name: &str| {
            let mut of_it = self.list.iter().filter(|one| one.key() == name);
            of_it.all(|one| !one.is_pinned())
        };
        TABLES.into_iter().find(|name| is_open(name))?;
        let mut list = self.list.clone();
        list.retain(|one| one.key() != SKINNY);
        list.push(mlflow);
        Some(list)
    }
}

/// Whether mlflow-skinny can load it: by the module that MLmodel names for that,
/// which may be the model's own.
fn suffices(flavors: &Extra) -> bool {
    let loader = flavors
        .get("python_function")
        .and_then(|flavor| flavor.get("loader_module"))
        .and_then(serde_json::Value::as_str);
    match loader.unwrap_or_default().strip_prefix("mlflow.") {
        Some(module) => LIGHT.contains(&module.split('.').next().unwrap_or_default()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn runtime(requirements: &[&str], loader: &str, full: bool) -> Runtime {
        let list: Vec<_> =
            requirements.iter().map(|text| Requirement::parse(text).unwrap()).collect();
        let flavors = json!({"python_function": {"loader_module": loader}});
        Runtime::of(&list, flavors.as_object().unwrap(), full)
    }

    fn texts(runtime: &Runtime) -> Vec<String> {
        runtime.list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_lighter_mlflow_where_it_suffices() {
        let asked = ["MLflow[extras]==3.17.2; python_version > '3'", "Starlette==1", "pandas==3"];
        assert_eq!(
            texts(&runtime(&asked, "mlflow.sklearn", false)),
            [
                "mlflow-skinny[extras]==3.17.2; python_version > \"3\"",
                "Starlette==1",
                "pandas==3",
                "uvicorn",
                "httptools",
                "numpy"
            ]
        );
        let first = |loader, full| texts(&runtime(&["mlflow==3"], loader, full)).swap_remove(0);
        assert_eq!(first("mlflow.pyfunc.model", false), "mlflow-skinny==3");
        assert_eq!(first("my_loader", false), "mlflow-skinny==3");
        assert_eq!(first("mlflow.langchain", false), "mlflow==3");
        assert_eq!(first("mlflow.sklearn", true), "mlflow==3");
        let url = runtime(&["mlflow @ https://h/mlflow.whl"], "mlflow.sklearn", false);
        assert!(url.replaced.is_none(), "{url:?}");
    }

    #[test]
    fn mlflow_bounds_what_is_left_open() {
        let open = runtime(&["mlflow==2", "numpy==1"], "mlflow.sklearn", false);
        let asked = open.unbounded().unwrap();
        assert!(asked.iter().any(|one| one.to_string() == "mlflow==2"), "{asked:?}");
        let pinned = runtime(&["mlflow==2", "numpy==1", "pandas==2"], "mlflow.sklearn", false);
        assert!(pinned.unbounded().is_none());
        assert!(runtime(&["mlflow==2"], "mlflow.sklearn", true).unbounded().is_none());
    }
}
