//! The settings of a version that every target has, each a flag.

use deployment::Extra;
use serde_json::json;

/// Written into the part of the document that holds the API's own fields, where
/// every other one can be set as well.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Version")]
#[group(skip)]
pub(crate) struct Flags {
    /// What the version is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// Machine that serves it [default: n1-standard-2]. AI Platform takes
    /// mls1-c1-m2 (1 CPU, 2 GB), its default, or mls1-c4-m2 (4 CPUs)
    #[arg(long, value_name = "TYPE")]
    pub(crate) machine_type: Option<String>,

    /// Account as which the predictor runs
    #[arg(long, value_name = "EMAIL")]
    pub(crate) service_account: Option<String>,

    /// A label; repeatable. The lineage is added by itself
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = aip::parse_label)]
    pub(crate) labels: Vec<(String, String)>,
}

/// Puts a text where one was given.
pub(crate) fn put(fields: &mut Extra, key: &str, text: Option<&String>) {
    if let Some(text) = text {
        fields.insert(key.into(), json!(text));
    }
}

impl Flags {
    pub(crate) fn write_labels(&self, fields: &mut Extra) {
        for (key, value) in &self.labels {
            fields.entry("labels").or_insert_with(|| json!({}))[key.as_str()] = json!(value);
        }
    }
}
