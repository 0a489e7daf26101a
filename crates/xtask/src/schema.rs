//! The document's JSON Schema.

use deployment::Deployment;
use schemars::generate::SchemaSettings;

pub(crate) fn text() -> String {
    let schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Deployment>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
