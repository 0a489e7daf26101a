//! The settings of a version that this API alone has, each a flag.

use deployment::Extra;
use deployment::names::is_alias;
use serde::Serialize;
use serde_json::{Value, json};
use stage::Failure;

use crate::flags::put;

/// Written into `spec.vertex.model` and `spec.vertex.deployedModel`, where every
/// other field of the API can be set as well. Serialised, it says which were
/// given.
#[derive(Debug, clap::Args, Serialize)]
#[command(next_help_heading = "Vertex AI")]
#[serde(rename_all = "kebab-case")]
#[group(skip)]
pub(crate) struct Flags {
    /// Percent of the endpoint's requests that it gets, which the others give up
    /// in proportion [default: 100 for the endpoint's first, else 0]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100),
        conflicts_with = "no_wait")]
    pub(crate) traffic: Option<u8>,

    /// Another alias of the version, besides its name; repeatable
    #[arg(long = "alias", value_name = "NAME", value_parser = alias)]
    #[serde(rename = "alias")]
    aliases: Vec<String>,

    /// Variable in the container's environment; repeatable. Whoever may look at
    /// the model sees it: it is no place for secrets
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// Replicas that are always there [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    min_replicas: Option<u32>,

    /// Replicas that there may be [default: the least]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_replicas: Option<u32>,

    /// Accelerators of each machine, such as NVIDIA_TESLA_T4=1
    #[arg(long, value_name = "TYPE=COUNT", value_parser = counted)]
    accelerator: Option<(String, u32)>,

    /// Add a replica when this is reached, such as cpu=60 (percent), gpu=60 or
    /// the name of a metric; repeatable
    #[arg(long = "autoscale", value_name = "METRIC=TARGET", value_parser = counted)]
    #[serde(rename = "autoscale")]
    targets: Vec<(String, u32)>,

    /// Use machines that cost less and may be taken away
    #[arg(long)]
    spot: bool,

    /// How long the container may take until it is healthy, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=7200))]
    deployment_timeout: Option<u32>,

    /// Have the service log each prediction's access
    #[arg(long)]
    access_logging: bool,

    /// Keep what the container writes to stdout and stderr out of Cloud Logging
    #[arg(long)]
    disable_container_logging: bool,
}

impl Flags {
    pub(crate) fn write_to_model(&self, model: &mut Extra) {
        if !self.aliases.is_empty() {
            model.insert("versionAliases".into(), json!(self.aliases));
        }
        if let Some(seconds) = self.deployment_timeout {
            child(model, "containerSpec")
                .insert("deploymentTimeout".into(), json!(format!("{seconds}s")));
        }
        if self.env.is_empty() {
            return;
        }
        let container = child(model, "containerSpec");
        let before = container.remove("env").unwrap_or_default();
        let is_kept =
            |variable: &&Value| !self.env.iter().any(|(name, _)| variable["name"] == *name);
        let kept = before.as_array().into_iter().flatten().filter(is_kept).cloned();
        let new = self.env.iter().map(|(name, value)| json!({"name": name, "value": value}));
        let env: Vec<_> = kept.chain(new).collect();
        container.insert("env".into(), env.into());
    }

    /// What the service would refuse only after the upload.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match (self.min_replicas, self.max_replicas) {
            (Some(min), Some(max)) if max < min => Err(Failure::usage(format!(
                "--max-replicas {max} is less than --min-replicas {min}"
            ))),
            _ => Ok(()),
        }
    }

    pub(crate) fn write_to_deployed(&self, deployed: &mut Extra, machine_type: Option<&String>) {
        if self.access_logging {
            deployed.insert("enableAccessLogging".into(), json!(true));
        }
        if self.disable_container_logging {
            deployed.insert("disableContainerLogging".into(), json!(true));
        }
        let mut resources = Extra::new();
        if let Some(replicas) = self.min_replicas {
            resources.insert("minReplicaCount".into(), json!(replicas));
        }
        if let Some(replicas) = self.max_replicas {
            resources.insert("maxReplicaCount".into(), json!(replicas));
        }
        if self.spot {
            resources.insert("spot".into(), json!(true));
        }
        if !self.targets.is_empty() {
            let metrics = self.targets.iter();
            let metrics =
                metrics.map(|(name, target)| json!({"metricName": metric(name), "target": target}));
            resources.insert("autoscalingMetricSpecs".into(), metrics.collect());
        }
        let mut machine = Extra::new();
        put(&mut machine, "machineType", machine_type);
        if let Some((kind, count)) = &self.accelerator {
            machine.insert("acceleratorType".into(), json!(kind));
            machine.insert("acceleratorCount".into(), json!(count));
        }
        if resources.is_empty() && machine.is_empty() {
            return;
        }
        let dedicated = child(deployed, "dedicatedResources");
        dedicated.extend(resources);
        if !machine.is_empty() {
            child(dedicated, "machineSpec").extend(machine);
        }
    }
}

/// An object within an object, made where there is none.
pub(crate) fn child<'a>(parent: &'a mut Extra, key: &str) -> &'a mut Extra {
    let value = parent.entry(key).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made one")
}

/// The service's long names of what is mostly meant.
fn metric(name: &str) -> String {
    const ONLINE: &str = "aiplatform.googleapis.com/prediction/online";
    match name {
        "cpu" => format!("{ONLINE}/cpu/utilization"),
        "gpu" => format!("{ONLINE}/accelerator/duty_cycle"),
        name => name.to_owned(),
    }
}

fn alias(text: &str) -> Result<String, String> {
    if is_alias(text) {
        Ok(text.into())
    } else {
        Err("letters, digits and '-', a lower-case letter first".into())
    }
}

fn counted(text: &str) -> Result<(String, u32), String> {
    let (name, count) = text.rsplit_once('=').ok_or("not of the form NAME=NUMBER")?;
    let count = count.parse().map_err(|error| format!("'{count}': {error}"))?;
    Ok((name.into(), count))
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form NAME=VALUE")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() || !name.chars().all(plain)
    {
        return Err(format!("'{name}' is not the name of a variable"));
    }
    if name.starts_with("AIP_") {
        return Err("variables that start with AIP_ are the service's own".into());
    }
    Ok((name.into(), value.into()))
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
        flags: Flags,
    }

    fn object(value: Value) -> Extra {
        let Value::Object(object) = value else { panic!("not an object") };
        object
    }

    #[test]
    fn flags_become_fields_of_the_model() {
        let args = [
            "x",
            "--env",
            "A=1",
            "--env",
            "B=x=y",
            "--alias",
            "champion",
            "--deployment-timeout",
            "900",
        ];
        let mut model = object(json!({"containerSpec": {"env": [
            {"name": "A", "value": "0"}, {"name": "C", "value": "2"}], "args": ["x"]}}));
        Command::parse_from(args).flags.write_to_model(&mut model);
        assert_eq!(
            Value::Object(model),
            json!({"containerSpec": {"args": ["x"], "deploymentTimeout": "900s", "env": [
                {"name": "C", "value": "2"}, {"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}]},
                "versionAliases": ["champion"]})
        );
        for bad in ["A", "=1", "1A=1", "AIP_HTTP_PORT=1", "A-B=1"] {
            assert!(Command::try_parse_from(["x", "--env", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_become_fields_of_what_is_deployed() {
        let args = [
            "x",
            "--max-replicas",
            "3",
            "--accelerator",
            "NVIDIA_TESLA_T4=1",
            "--autoscale",
            "cpu=70",
            "--spot",
        ];
        let flags = Command::parse_from(args).flags;
        let mut deployed = object(
            json!({"dedicatedResources": {"minReplicaCount": 2, "machineSpec": {"tpuTopology": "x"}}}),
        );
        flags.write_to_deployed(&mut deployed, Some(&"n1-standard-4".into()));
        let cpu = "aiplatform.googleapis.com/prediction/online/cpu/utilization";
        assert_eq!(
            Value::Object(deployed),
            json!({"dedicatedResources": {
                "minReplicaCount": 2, "maxReplicaCount": 3, "spot": true,
                "autoscalingMetricSpecs": [{"metricName": cpu, "target": 70}],
                "machineSpec": {"tpuTopology": "x", "machineType": "n1-standard-4",
                    "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1}}})
        );
        assert_eq!(aip::given(&flags), ["max-replicas", "accelerator", "autoscale", "spot"]);
    }
}
