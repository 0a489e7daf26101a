//! A version as AI Platform describes it: what `aip-version get` prints, or
//! `gcloud ai-platform versions describe --format json`.

use aip::Options;
use deployment::{Deployment, Extra, Lineage};
use gcp::storage::GsUri;
use log::info;
use serde_json::Value;
use stage::Failure;

use super::package::Package;
use crate::create::STAGE;

pub(crate) struct Record {
    project: String,
    model: String,
    version: String,
    /// The API's `Version`.
    pub(super) fields: Extra,
}

impl Record {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else { return None };
        let name = fields.get("name")?.as_str()?;
        let parts: Vec<_> = name.split('/').collect();
        let ["projects", project, "models", model, "versions", version] = parts[..] else {
            return None;
        };
        fields.get("deploymentUri")?.as_str()?;
        let (project, model) = (project.to_owned(), model.to_owned());
        Some(Self { project, model, version: version.to_owned(), fields })
    }

    fn text(&self, key: &str) -> &str {
        self.fields.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A document that has this model still before it. Its files go to a place
    /// of their own: those of the old version may still be in use.
    pub(super) fn document(&self) -> Deployment {
        let mut document = Deployment::default();
        let spec = &mut document.spec;
        let uri = self.text("deploymentUri").trim_end_matches('/');
        spec.project = Some(self.project.clone());
        spec.model = Some(self.model.clone());
        spec.version = Some(self.version.clone());
        spec.bucket = uri.parse::<GsUri>().ok().map(|uri| uri.bucket);
        spec.route = Some(format!("vertex/{}", self.model));
        spec.model_uri = Some(uri.to_owned());
        document
    }

    /// What aip-bundle must be told: the predictor as it was, and what it needs
    /// besides the model.
    pub(super) fn bundle_args(
        &self,
        options: &Options,
        document: &mut Deployment,
    ) -> Result<Vec<String>, Failure> {
        self.restore_lineage(document);
        let class = self.text("predictionClass");
        let uris: Vec<_> = self
            .fields
            .get("packageUris")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let (Some((module, name)), Some(uri)) = (class.rsplit_once('.'), uris.first()) else {
            info!("the version had no predictor of its own; it gets ours");
            return Ok(Vec::new());
        };
        for more in &uris[1..] {
            report(document, &format!("package '{more}' is left behind"));
        }
        if document.spec.dry_run {
            info!("dry run: the predictor would be taken from '{uri}'");
            return Ok(Vec::new());
        }
        let package = Package::open(options, uri)?;
        let directory = super::directory(document)?;
        let script = package.write(module, &directory)?;
        for left in package.others(module) {
            report(document, &format!("'{left}' of the package is left behind"));
        }
        document.spec.prediction_script = Some(script);
        let mut args = vec!["--prediction-class".to_owned(), format!("predictor.{name}")];
        let model = document.stages.fetched()?.directory.clone();
        for requirement in package.requirements_beside(std::path::Path::new(&model)) {
            args.extend(["--requirement".into(), requirement]);
        }
        Ok(args)
    }

    /// The labels that we gave it say more than the files in the bucket.
    fn restore_lineage(&self, document: &mut Deployment) {
        let labels = self.fields.get("labels").and_then(Value::as_object);
        let label = |key: &str| labels?.get(key)?.as_str().map(str::to_owned);
        let Some(fetch) = &mut document.stages.fetch else { return };
        let Lineage { registered_model, registered_version, run_id, .. } = &mut fetch.lineage;
        let restore =
            |field: &mut Option<String>, key| *field = field.take().or_else(|| label(key));
        restore(registered_model, "mlflow_model");
        restore(registered_version, "mlflow_version");
        restore(run_id, "mlflow_run_id");
    }
}

fn report(document: &mut Deployment, message: &str) {
    let hint = "a predictor of one file: aip-bundle --prediction-script FILE".to_owned();
    stage::warn(document, STAGE, message.into(), Some(hint));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_known_by_its_name() {
        let record = json!({"name": "projects/p/models/Iris_2/versions/v_1",
            "deploymentUri": "gs://b/route/model/"});
        let record = Record::parse(record.to_string().as_bytes()).unwrap();
        let spec = record.document().spec;
        assert_eq!(spec.model_uri.as_deref(), Some("gs://b/route/model"));
        assert_eq!((spec.bucket.as_deref(), spec.version.as_deref()), (Some("b"), Some("v_1")));
        assert_eq!(spec.production_uri().unwrap(), "gs://b/vertex/Iris_2/v_1/");
        for other in
            [json!({"name": "projects/p/models/m"}), json!({"kind": "Deployment"}), json!(1)]
        {
            assert!(Record::parse(other.to_string().as_bytes()).is_none(), "{other}");
        }
    }
}
