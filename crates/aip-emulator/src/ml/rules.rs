//! What the service demanded of a version with custom prediction code.

use serde_json::{Map, Value};

use super::refusal::{invalid, precondition, unimplemented};
use crate::error::ApiError;

/// The machines that ran custom code; the first is the default.
const MACHINES: [&str; 2] = ["mls1-c1-m2", "mls1-c4-m2"];

/// Runtime versions of the service: 1.4 was the first with custom code.
const OLDEST_RUNTIME: (u32, u32) = (1, 4);

type Spec = Map<String, Value>;

/// Checks the fields of a new version against each other and fills in defaults.
pub(super) fn check(spec: &mut Spec, strict: bool) -> Result<(), ApiError> {
    // A request log is for patch alone; create has always overlooked it.
    spec.retain(|key, _| key != "etag" && key != "requestLoggingConfig");
    if spec.contains_key("container") || spec.contains_key("routes") {
        return check_container(spec);
    }
    let runtime = number(spec, "runtimeVersion")?;
    let python = number(spec, "pythonVersion")?;
    if text(spec, "predictionClass").is_empty() {
        check_without_class(spec)?;
        return Err(unimplemented(
            "TensorFlow, scikit-learn and XGBoost serving; it runs versions with a predictionClass",
        ));
    }
    check_class(spec, runtime)?;
    check_machine(spec)?;
    check_scaling(spec)?;
    if strict && !is_offered(runtime, python) {
        let text = format!(
            "Python version {}.{} is not supported with runtime version {}.{}.",
            python.0, python.1, runtime.0, runtime.1
        );
        return Err(invalid("version.python_version", &text));
    }
    Ok(())
}

/// Whether the service ever ran this Python in this runtime. It ended with
/// runtime 2.11 and Python 3.7.
fn is_offered(runtime: (u32, u32), python: (u32, u32)) -> bool {
    match runtime {
        (1, 4..=14) => matches!(python, (2, 7) | (3, 5)),
        (1, 15) => matches!(python, (2 | 3, 7)),
        (2, 1..=11) => python == (3, 7),
        _ => false,
    }
}

/// What to tell whoever deploys on a Python that the service never had.
pub(super) fn notice(spec: &Spec) -> Option<String> {
    let runtime = number(spec, "runtimeVersion").ok()?;
    let python = number(spec, "pythonVersion").ok()?;
    (!is_offered(runtime, python)).then(|| {
        format!(
            "AI Platform never ran Python {}.{} in runtime {}.{}: it ended at Python 3.7; \
             this is possible in the emulator only",
            python.0, python.1, runtime.0, runtime.1
        )
    })
}

fn text<'a>(spec: &'a Spec, field: &str) -> &'a str {
    spec.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A required "major.minor".
fn number(spec: &Spec, field: &str) -> Result<(u32, u32), ApiError> {
    let name = format!("version.{}", super::schema::snake(field));
    let text = text(spec, field);
    if text.is_empty() {
        return Err(invalid(&name, "This field is required."));
    }
    let parsed = text
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parsed.ok_or_else(|| invalid(&name, &format!("'{text}' is not a version such as '3.7'.")))
}

fn check_class(spec: &Spec, runtime: (u32, u32)) -> Result<(), ApiError> {
    if !matches!(text(spec, "framework"), "" | "FRAMEWORK_UNSPECIFIED") {
        return Err(precondition(
            "prediction_class",
            "Exactly one of \"prediction_class\" and \"framework\" may be provided. In order to \
             use a custom prediction class, \"framework\" should be left unspecified.",
        ));
    }
    let class = text(spec, "predictionClass");
    if !class.contains('.') || !class.split('.').all(is_identifier) {
        let text = format!("'{class}' is not a fully qualified name (module_name.class_name).");
        return Err(invalid("version.prediction_class", &text));
    }
    if runtime < OLDEST_RUNTIME {
        let text = "A custom prediction class needs runtime version 1.4 or greater.";
        return Err(invalid("version.runtime_version", text));
    }
    if spec.get("packageUris").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let text = "A custom prediction class needs at least one package that contains it.";
        return Err(invalid("version.package_uris", text));
    }
    for (field, name) in
        [("acceleratorConfig", "accelerator_config"), ("explanationConfig", "explanation_config")]
    {
        if spec.contains_key(field) {
            let text = "This field may not be set together with a custom prediction class.";
            return Err(invalid(&format!("version.{name}"), text));
        }
    }
    Ok(())
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Without custom code, its fields have no place.
fn check_without_class(spec: &Spec) -> Result<(), ApiError> {
    if spec.contains_key("serviceAccount") {
        let text = "A service account needs a custom prediction class or a container.";
        return Err(invalid("version.service_account", text));
    }
    Ok(())
}

fn check_container(spec: &Spec) -> Result<(), ApiError> {
    if !spec.contains_key("container") {
        return Err(invalid("version.routes", "Routes need a container."));
    }
    for field in ["runtimeVersion", "packageUris", "framework", "pythonVersion", "predictionClass"]
    {
        if spec.contains_key(field) {
            let name = format!("version.{}", super::schema::snake(field));
            return Err(invalid(&name, "This field may not be set together with a container."));
        }
    }
    if text(spec, "machineType").is_empty() {
        return Err(invalid("version.machine_type", "A container needs a machine type."));
    }
    Err(unimplemented("containers; it runs versions with a predictionClass"))
}

fn check_machine(spec: &mut Spec) -> Result<(), ApiError> {
    match text(spec, "machineType") {
        "" => {
            spec.insert("machineType".to_owned(), MACHINES[0].into());
            Ok(())
        }
        machine if MACHINES.contains(&machine) => Ok(()),
        machine => {
            let text = format!(
                "The machine type '{machine}' does not run a custom prediction class: use one of {}.",
                MACHINES.join(", ")
            );
            Err(invalid("version.machine_type", &text))
        }
    }
}

/// Checked again when a patch changed them.
pub(super) fn check_scaling(spec: &Spec) -> Result<(), ApiError> {
    let nodes = |scaling: &str, field: &str| {
        spec.get(scaling).and_then(|scaling| scaling.get(field)).and_then(Value::as_i64)
    };
    if spec.contains_key("autoScaling") && spec.contains_key("manualScaling") {
        let text = "Exactly one of \"auto_scaling\" and \"manual_scaling\" may be provided.";
        return Err(invalid("version.manual_scaling", text));
    }
    if spec.contains_key("manualScaling") && nodes("manualScaling", "nodes").unwrap_or(0) < 1 {
        let text = "The number of nodes must be at least 1.";
        return Err(invalid("version.manual_scaling.nodes", text));
    }
    let least = nodes("autoScaling", "minNodes").unwrap_or(0);
    if least < 0 {
        let text = "The number of nodes must not be negative.";
        return Err(invalid("version.auto_scaling.min_nodes", text));
    }
    if nodes("autoScaling", "maxNodes").is_some_and(|most| most < least.max(1)) {
        let text = "The number of nodes must be at least 1, and at least min_nodes.";
        return Err(invalid("version.auto_scaling.max_nodes", text));
    }
    Ok(())
}

/// A request log has a table by its full name and a share of the requests.
pub(super) fn check_logging(spec: &Spec) -> Result<(), ApiError> {
    let Some(config) = spec.get("requestLoggingConfig") else { return Ok(()) };
    let table = config["bigqueryTableName"].as_str().unwrap_or_default();
    if table.split('.').count() != 3 || table.split('.').any(str::is_empty) {
        let text = format!("'{table}' is not of the form project_id.dataset_name.table_name.");
        return Err(invalid("version.request_logging_config.bigquery_table_name", &text));
    }
    let share = config["samplingPercentage"].as_f64().unwrap_or(0.0);
    if !(0.0..=1.0).contains(&share) {
        let text = "The sampling percentage is a fraction from 0 to 1.";
        return Err(invalid("version.request_logging_config.sampling_percentage", text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A good version with some fields set otherwise; null takes one out.
    fn checked(change: &Value, strict: bool) -> Result<Spec, String> {
        let mut spec = json!({
            "deploymentUri": "gs://b/m", "packageUris": ["gs://b/p.tar.gz"],
            "predictionClass": "predictor.Predictor",
            "runtimeVersion": "2.3", "pythonVersion": "3.7",
        })
        .as_object()
        .cloned()
        .unwrap();
        spec.extend(change.as_object().cloned().unwrap());
        spec.retain(|_, value| !value.is_null());
        match check(&mut spec, strict) {
            Ok(()) => Ok(spec),
            Err(err) => Err(err.message().to_owned()),
        }
    }

    #[test]
    fn defaults_are_filled_in() {
        let spec = checked(&json!({"requestLoggingConfig": {}}), true).unwrap();
        assert_eq!(spec["machineType"], "mls1-c1-m2");
        assert!(!spec.contains_key("requestLoggingConfig"));
    }

    #[test]
    fn fields_that_exclude_each_other() {
        for (change, field) in [
            (json!({"framework": "SCIKIT_LEARN"}), "prediction_class"),
            (json!({"predictionClass": "Predictor"}), "version.prediction_class"),
            (json!({"predictionClass": "a.b c"}), "version.prediction_class"),
            (json!({"packageUris": null}), "version.package_uris"),
            (json!({"runtimeVersion": null}), "version.runtime_version"),
            (json!({"runtimeVersion": "1.3"}), "version.runtime_version"),
            (json!({"runtimeVersion": "2"}), "version.runtime_version"),
            (json!({"pythonVersion": ""}), "version.python_version"),
            (json!({"machineType": "n1-standard-2"}), "version.machine_type"),
            (json!({"acceleratorConfig": {}}), "version.accelerator_config"),
            (json!({"autoScaling": {}, "manualScaling": {"nodes": 1}}), "version.manual_scaling"),
            (json!({"manualScaling": {}}), "version.manual_scaling.nodes"),
            (
                json!({"autoScaling": {"minNodes": 3, "maxNodes": 2}}),
                "version.auto_scaling.max_nodes",
            ),
            (json!({"container": {}}), "version.runtime_version"),
            (json!({"routes": {}}), "version.routes"),
        ] {
            let error = checked(&change, false).unwrap_err();
            assert!(error.starts_with(&format!("Field: {field} Error: ")), "{change}: {error}");
        }
    }

    #[test]
    fn only_strict_refuses_what_the_service_never_had() {
        for (runtime, python, was_offered) in [
            ("2.11", "3.7", true),
            ("1.15", "3.7", true),
            ("1.15", "2.7", true),
            ("1.14", "3.5", true),
            ("1.14", "3.7", false),
            ("2.3", "3.11", false),
            ("2.12", "3.7", false),
            ("2.1", "2.7", false),
        ] {
            let versions = json!({"runtimeVersion": runtime, "pythonVersion": python});
            assert_eq!(checked(&versions, true).is_ok(), was_offered, "{runtime} {python}");
            let spec = checked(&versions, false).unwrap();
            assert_eq!(notice(&spec).is_none(), was_offered);
        }
    }
}
