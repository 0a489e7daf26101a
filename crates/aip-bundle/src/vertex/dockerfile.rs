//! The same image for those who build with Docker: Dockerfile, cloudbuild.json.

use stage::Failure;
use tera::{Context, Tera};

use super::image;

pub(crate) const DOCKERFILE: &str = "Dockerfile";
pub(crate) const CLOUD_BUILD: &str = "cloudbuild.json";

/// Who builds it says what it is to be called: `_IMAGE`.
pub(super) const CLOUD_BUILD_TEXT: &str = include_str!("../../../../templates/cloudbuild.json");

/// What differs from model to model. Each value has been checked to be a name
/// of its kind, so none can become an instruction.
#[derive(Debug)]
pub(super) struct Dockerfile<'a> {
    pub(super) base: &'a str,
    pub(super) wheel: &'a str,
    pub(super) embed_model: bool,
    pub(super) prediction_class: &'a str,
}

impl Dockerfile<'_> {
    pub(super) fn render(&self) -> Result<String, Failure> {
        let mut context = Context::new();
        context.insert("base", self.base);
        context.insert("wheel", self.wheel);
        context.insert("embed_model", &self.embed_model);
        let environment = image::environment(self.prediction_class);
        let environment = environment.map(|(name, value)| format!("{name}={value}"));
        context.insert("environment", &environment);
        context.insert("user", image::USER);
        context.insert("port", &image::PORT);
        context.insert("entrypoint", &format!("{:?}", image::entrypoint()));
        let mut tera = Tera::default();
        tera.autoescape_on(Vec::<&str>::new());
        let text = include_str!("../../../../templates/Dockerfile.tera");
        let rendered = tera
            .add_raw_template(DOCKERFILE, text)
            .and_then(|()| tera.render(DOCKERFILE, &context));
        rendered.map_err(|error| Failure::failed("cannot write the Dockerfile").cause(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_image_is() {
        let mut dockerfile = Dockerfile {
            base: "docker.io/library/python:3.11-slim",
            wheel: "deploy_from_script-3-py3-none-any.whl",
            embed_model: false,
            prediction_class: "predictor.Predictor",
        };
        let text = dockerfile.render().unwrap();
        for line in [
            "FROM docker.io/library/python:3.11-slim",
            "COPY dist/deploy_from_script-3-py3-none-any.whl /tmp/",
            "ENV MLFLOW_AIP_PREDICTION_CLASS=predictor.Predictor PYTHONUNBUFFERED=1",
            "USER 65534:65534",
            "EXPOSE 8080",
            "ENTRYPOINT [\"python3\", \"/opt/mlflow-aip/app/mlflow_aip_serving\"]",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("COPY model"), "{text}");
        dockerfile.embed_model = true;
        assert!(dockerfile.render().unwrap().contains("\nCOPY model /opt/mlflow-aip/model\n"));
        let build: serde_json::Value = serde_json::from_str(CLOUD_BUILD_TEXT).unwrap();
        assert_eq!(build["images"][0], "${_IMAGE}");
    }
}
