//! The settings of a version that this API alone has, each a flag.

use deployment::Extra;
use serde::Serialize;
use serde_json::{Value, json};

use crate::flags::put;

/// Written into `spec.aiPlatform.version`, where every other field of the API
/// can be set as well. Serialised, it says which were given.
#[derive(Debug, clap::Args, Serialize)]
#[command(next_help_heading = "AI Platform")]
#[serde(rename_all = "kebab-case")]
#[group(skip)]
pub(crate) struct Flags {
    /// Make it the version that answers when a request names none
    #[arg(long, conflicts_with = "no_wait")]
    pub(crate) set_default: bool,

    /// Runtime version of AI Platform [default: 2.11]
    #[arg(long, value_name = "X.Y")]
    runtime_version: Option<String>,

    /// Python that serves it [default: the Python that logged the model]
    #[arg(long, value_name = "X.Y")]
    python_version: Option<String>,

    /// Predictor, MODULE.CLASS [default: the bundle's]
    #[arg(long, value_name = "CLASS")]
    prediction_class: Option<String>,

    /// Another package that the predictor needs, gs://…; repeatable. The
    /// bundle's own is always the first
    #[arg(long = "package-uri", value_name = "URI")]
    #[serde(rename = "package-uri")]
    package_uris: Vec<String>,

    /// Scale automatically, from this many nodes on
    #[arg(long, value_name = "N", conflicts_with = "nodes")]
    min_nodes: Option<u32>,

    /// Scale automatically, up to this many nodes
    #[arg(long, value_name = "N", conflicts_with = "nodes")]
    max_nodes: Option<u32>,

    /// Scale when this is reached, such as CPU_USAGE=60 (percent); repeatable
    #[arg(long = "autoscaling-metric", value_name = "NAME=TARGET", value_parser = metric,
        conflicts_with = "nodes")]
    #[serde(rename = "autoscaling-metric")]
    metrics: Vec<(String, u32)>,

    /// Run always this many nodes
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,

    /// BigQuery table that gets requests and responses
    #[arg(long, value_name = "PROJECT.DATASET.TABLE")]
    request_logging_table: Option<String>,

    /// Share of the requests that it gets
    #[arg(long, value_name = "0..1", value_parser = share, requires = "request_logging_table")]
    request_logging_sampling: Option<f64>,
}

impl Flags {
    pub(crate) fn write_to(&self, version: &mut Extra) {
        put(version, "runtimeVersion", self.runtime_version.as_ref());
        put(version, "pythonVersion", self.python_version.as_ref());
        put(version, "predictionClass", self.prediction_class.as_ref());
        if !self.package_uris.is_empty() {
            version.insert("packageUris".into(), json!(self.package_uris));
        }
        self.write_scaling(version);
        if let Some(table) = &self.request_logging_table {
            let mut logging = json!({"bigqueryTableName": table});
            if let Some(share) = self.request_logging_sampling {
                logging["samplingPercentage"] = json!(share);
            }
            version.insert("requestLoggingConfig".into(), logging);
        }
    }

    /// The API takes automatic or manual scaling, not both: the one that a flag
    /// asks for replaces the other in the document.
    fn write_scaling(&self, version: &mut Extra) {
        if let Some(nodes) = self.nodes {
            version.remove("autoScaling");
            version.insert("manualScaling".into(), json!({"nodes": nodes}));
        }
        let mut automatic = Extra::new();
        if let Some(nodes) = self.min_nodes {
            automatic.insert("minNodes".into(), json!(nodes));
        }
        if let Some(nodes) = self.max_nodes {
            automatic.insert("maxNodes".into(), json!(nodes));
        }
        if !self.metrics.is_empty() {
            let metrics = self.metrics.iter();
            let metrics = metrics.map(|(name, target)| json!({"name": name, "target": target}));
            automatic.insert("metrics".into(), metrics.collect());
        }
        if !automatic.is_empty() {
            version.remove("manualScaling");
            let scaling = version.entry("autoScaling").or_insert_with(|| json!({}));
            if let Value::Object(scaling) = scaling {
                scaling.extend(automatic);
            }
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("not between 0 and 1".into()) }
}

fn metric(text: &str) -> Result<(String, u32), String> {
    let (name, target) = text.split_once('=').ok_or("a metric has the form NAME=TARGET")?;
    let target = target.parse().map_err(|error| format!("'{target}': {error}"))?;
    Ok((name.into(), target))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        fields: Flags,
    }

    fn written(args: &[&str], version: Value) -> Value {
        let command = Command::parse_from(["x"].iter().chain(args));
        let Value::Object(mut version) = version else { panic!("not an object") };
        command.fields.write_to(&mut version);
        Value::Object(version)
    }

    #[test]
    fn flags_stand_above_the_document() {
        let version = written(
            &["--nodes", "2", "--runtime-version", "2.3"],
            json!({"runtimeVersion": "x", "autoScaling": {"minNodes": 1}, "kept": 1}),
        );
        assert_eq!(
            version,
            json!({"runtimeVersion": "2.3", "kept": 1, "manualScaling": {"nodes": 2}})
        );
    }

    #[test]
    fn flags_are_known_by_their_names() {
        let args = [
            "x",
            "--set-default",
            "--autoscaling-metric",
            "CPU_USAGE=60",
            "--package-uri",
            "gs://b/p",
        ];
        let command = Command::parse_from(args);
        assert_eq!(
            aip::given(&command.fields),
            ["set-default", "package-uri", "autoscaling-metric"]
        );
    }

    #[test]
    fn automatic_scaling_is_put_together() {
        let version = written(
            &["--min-nodes", "1", "--autoscaling-metric", "CPU_USAGE=60"],
            json!({"manualScaling": {"nodes": 1}, "autoScaling": {"maxNodes": 3}}),
        );
        let scaling =
            json!({"maxNodes": 3, "minNodes": 1, "metrics": [{"name": "CPU_USAGE", "target": 60}]});
        assert_eq!(version, json!({"autoScaling": scaling}));
    }
}
